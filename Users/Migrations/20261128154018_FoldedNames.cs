using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace MicroPlatform.Users.Migrations
{
    /// <inheritdoc />
    public partial class FoldedNames : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            // Answers to registrations, each with a hash of a body that has a password in it.
            migrationBuilder.Sql("DELETE FROM idempotency_keys");

            // Folding lengthens some letters. The service itself makes the keys anew when it starts: SQL cannot fold them.
            migrationBuilder.AlterColumn<string>(
                name: "username_key",
                table: "users",
                type: "text",
                nullable: false,
                oldClrType: typeof(string),
                oldType: "character varying(100)",
                oldMaxLength: 100);

            migrationBuilder.AlterColumn<string>(
                name: "email_key",
                table: "users",
                type: "text",
                nullable: false,
                oldClrType: typeof(string),
                oldType: "character varying(254)",
                oldMaxLength: 254);
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            // The version before reads no encrypted keys, and makes one when there is none.
            migrationBuilder.Sql("DELETE FROM signing_keys");
            migrationBuilder.Sql("UPDATE users SET username_key = lower(username), email_key = lower(email) WHERE username !~ '^[ -~]*$' OR email !~ '^[ -~]*$'");

            migrationBuilder.AlterColumn<string>(
                name: "username_key",
                table: "users",
                type: "character varying(100)",
                maxLength: 100,
                nullable: false,
                oldClrType: typeof(string),
                oldType: "text");

            migrationBuilder.AlterColumn<string>(
                name: "email_key",
                table: "users",
                type: "character varying(254)",
                maxLength: 254,
                nullable: false,
                oldClrType: typeof(string),
                oldType: "text");
        }
    }
}
