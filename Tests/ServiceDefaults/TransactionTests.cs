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
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Work_is_not_done_again_when_the_connection_is_lost_during_its_commit(bool inTransaction)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var database = await cluster.CloneAsync("warehouse");
        await using (var db = Open(database, new LostAnswer()))
        {
            var refused = await Assert.ThrowsAsync<ProblemException>(() => inTransaction ? db.InTransactionAsync(token => AddAsync(db, token), cancellationToken) : AddAsync(db, cancellationToken));
            Assert.Equal(503, refused.Status);
            Assert.Equal(1, await db.StockAdjustments.CountAsync(adjustment => adjustment.Reason == "once", cancellationToken));
        }

        await cluster.DropAsync(database);
    }

    [Fact]
    public async Task A_change_is_saved_once_when_the_connection_is_lost_before_its_commit()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var database = await cluster.CloneAsync("warehouse");
        await using (var db = Open(database, new LostStatement()))
        {
            Assert.Equal(1, await AddAsync(db, cancellationToken));
            Assert.False(db.ChangeTracker.HasChanges());
            Assert.Equal(1, await db.StockAdjustments.CountAsync(adjustment => adjustment.Reason == "once", cancellationToken));
        }

        await cluster.DropAsync(database);
    }

    private WarehouseDbContext Open(string database, IInterceptor interceptor) => new(new DbContextOptionsBuilder<WarehouseDbContext>()
        .UseNpgsql(cluster.ConnectionStringTo(database), npgsql => npgsql.EnableRetryOnFailure())
        .UseSnakeCaseNamingConvention()
        .AddInterceptors(interceptor)
        .Options);

    private static Task<int> AddAsync(WarehouseDbContext db, CancellationToken cancellationToken)
    {
        db.Add(new StockAdjustment { ItemId = 1, Delta = 1, Quantity = 11, Reason = "once" });
        return db.SaveChangesAsync(cancellationToken);
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

    /// <summary>The first statement is answered, and then the connection is gone.</summary>
    private sealed class LostStatement : DbCommandInterceptor
    {
        private bool isLost;

        public override ValueTask<DbDataReader> ReaderExecutedAsync(DbCommand command, CommandExecutedEventData eventData, DbDataReader result, CancellationToken cancellationToken = default)
        {
            if (isLost)
            {
                return ValueTask.FromResult(result);
            }

            isLost = true;
            throw new NpgsqlException("The connection was lost.", new IOException());
        }
    }
}
