using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace MicroPlatform.Cart.Migrations
{
    /// <inheritdoc />
    public partial class GivenUpCheckouts : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<DateTimeOffset>(
                name: "given_up_at",
                table: "checkouts",
                type: "timestamp with time zone",
                nullable: true);

            migrationBuilder.AddCheckConstraint(
                name: "ck_checkouts_given_up_at",
                table: "checkouts",
                sql: "given_up_at IS NULL OR settled_at IS NOT NULL");

            // An open checkout's cart has not changed since: its lines are the cart's items, in the same sequence.
            migrationBuilder.Sql("""
                UPDATE checkouts SET lines = (
                    SELECT jsonb_agg(l.line || jsonb_build_object('ProductId', i.product_id) ORDER BY l.place)
                    FROM jsonb_array_elements(checkouts.lines) WITH ORDINALITY l(line, place)
                    LEFT JOIN (SELECT product_id, row_number() OVER (ORDER BY id) AS place FROM cart_items WHERE customer_id = checkouts.customer_id) i USING (place))
                WHERE settled_at IS NULL AND jsonb_array_length(lines) = (SELECT count(*) FROM cart_items WHERE customer_id = checkouts.customer_id);
                """);

            // The most that a piece may cost in every service.
            migrationBuilder.Sql("UPDATE products SET price = 999999.99 WHERE price > 999999.99;");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.Sql("UPDATE checkouts SET lines = (SELECT jsonb_agg(line - 'ProductId') FROM jsonb_array_elements(lines) line) WHERE jsonb_array_length(lines) > 0;");

            migrationBuilder.DropCheckConstraint(
                name: "ck_checkouts_given_up_at",
                table: "checkouts");

            migrationBuilder.DropColumn(
                name: "given_up_at",
                table: "checkouts");
        }
    }
}
