using MicroPlatform.ServiceDefaults;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace MicroPlatform.Cart.Migrations
{
    /// <inheritdoc />
    public partial class CartOwnerLives : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder) => migrationBuilder.SqlFile(this, "up");

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder) => migrationBuilder.SqlFile(this, "down");
    }
}
