using System.Data.Common;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.Tests.Fixtures;
using MicroPlatform.Warehouse;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Npgsql;

namespace MicroPlatform.Tests.ServiceDefaults;

public sealed class TransactionTests(Cluster cluster)
{
    [Fact]
    public async Task Work_is_not_done_again_when_the_connection_is_lost_during_its_commit()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var database = await cluster.CloneAsync("warehouse");
        var options = new DbContextOptionsBuilder<WarehouseDbContext>()
            .UseNpgsql(cluster.ConnectionStringTo(database), npgsql => npgsql.EnableRetryOnFailure())
            .UseSnakeCaseNamingConvention()
            .AddInterceptors(new LostAnswer());
        await using (var db = new WarehouseDbContext(options.Options))
        {
            var refused = await Assert.ThrowsAsync<ProblemException>(() => db.InTransactionAsync(token =>
            {
                db.Add(new StockAdjustment { ItemId = 1, Delta = 1, Quantity = 11, Reason = "once" });
                return db.SaveChangesAsync(token);
            }, cancellationToken));
            Assert.Equal(503, refused.Status);
            Assert.Equal(1, await db.StockAdjustments.CountAsync(adjustment => adjustment.Reason == "once", cancellationToken));
        }

        await cluster.DropAsync(database);
    }

    /// <summary>The server commits, and its word of it never arrives.</summary>
    private sealed class LostAnswer : DbTransactionInterceptor
    {
        private bool isLost;

        public override Task TransactionCommittedAsync(DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
        {
            if (isLost)
            {
                return Task.CompletedTask;
            }

            isLost = true;
            throw new NpgsqlException("The connection was lost.", new IOException());
        }
    }
}
