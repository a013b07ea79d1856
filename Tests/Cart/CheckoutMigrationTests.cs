using MicroPlatform.Cart;
using MicroPlatform.Tests.Fixtures;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Migrations;

namespace MicroPlatform.Tests.Cart;

/// <summary>How migrations change carts, checkouts and products of the previous version.</summary>
[Trait("Speed", "slow")]
public sealed class CheckoutMigrationTests(Cluster cluster)
{
    [Fact]
    public async Task The_migration_adds_product_ids_to_the_lines_of_open_checkouts_and_caps_prices()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var database = await cluster.CreateEmptyAsync("checkout_migration");
        await using (var db = new CartDbContext(new DbContextOptionsBuilder<CartDbContext>()
            .UseNpgsql(cluster.ConnectionStringTo(database)).UseSnakeCaseNamingConvention().Options))
        {
            var migrator = db.GetService<IMigrator>();
            await migrator.MigrateAsync("20261125135142_CheckoutFoundWith", cancellationToken);
            await db.Database.ExecuteSqlRawAsync(
                """
                INSERT INTO products (id, sku, name, description, price, created_at)
                VALUES (7, 'A', 'first', '', 2, now()), (8, 'A', 'second', '', 1000000, now());
                INSERT INTO carts (customer_id, created_at, updated_at) VALUES (1, now(), now()), (2, now(), now());
                INSERT INTO cart_items (id, customer_id, product_id, quantity, created_at) VALUES (1, 1, 8, 1, now()), (2, 1, 7, 2, now());
                INSERT INTO checkouts (id, customer_id, started_at, settled_at, lines)
                SELECT gen_random_uuid(), customer, now(), settled,
                    '[{"Sku":"A","Quantity":1,"UnitPrice":5},{"Sku":"A","Quantity":2,"UnitPrice":2}]'
                FROM (VALUES (1, NULL::timestamptz), (2, now())) AS checkout (customer, settled);
                """.Replace("{", "{{", StringComparison.Ordinal).Replace("}", "}}", StringComparison.Ordinal),
                cancellationToken);

            await migrator.MigrateAsync(targetMigration: null, cancellationToken);
            var checkouts = await db.Checkouts.AsNoTracking().OrderBy(checkout => checkout.CustomerId).ToListAsync(cancellationToken);
            Assert.Equal([(8, 5m), (7, 2m)], checkouts[0].Lines.Select(line => (line.ProductId, line.UnitPrice)));
            Assert.Equal([(null, 5m), (null, 2m)], checkouts[1].Lines.Select(line => (line.ProductId, line.UnitPrice)));
            var prices = await db.Products.OrderBy(product => product.Id).Select(product => product.Price).ToListAsync(cancellationToken);
            Assert.Equal([2m, 999_999.99m], prices);
        }

        await cluster.DropAsync(database);
    }
}
