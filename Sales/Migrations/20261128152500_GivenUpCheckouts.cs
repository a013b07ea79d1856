using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace MicroPlatform.Sales.Migrations
{
    /// <inheritdoc />
    public partial class GivenUpCheckouts : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.CreateTable(
                name: "given_up_checkouts",
                columns: table => new
                {
                    checkout_id = table.Column<Guid>(type: "uuid", nullable: false),
                    at = table.Column<DateTimeOffset>(type: "timestamp with time zone", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("pk_given_up_checkouts", x => x.checkout_id);
                });
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "given_up_checkouts");
        }
    }
}
