using System.Data.Common;
using MicroPlatform.ServiceDefaults;
using MicroPlatform.Tests.Fixtures;
using MicroPlatform.Warehouse;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Npgsql;

namespace MicroPlatform.Tests.ServiceDefaults;

[Trait("Speed", "slow")]
public sealed class TransactionTests(Cluster cluster)
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Work_is_not_repeated_when_the_connection_is_lost_during_its_commit(bool inTransaction)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var database = await cluster.CloneAsync("warehouse");
        await using (var db = Open(database, new LostAnswer()))
        {
            var refused = await Assert.ThrowsAsync<ProblemException>(() =>
                inTransaction ? db.InTransactionAsync(token => AddAsync(db, token), cancellationToken) : AddAsync(db, cancellationToken));
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

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Work_on_an_entity_loaded_beforehand_is_refused_inside_or_outside_an_open_transaction(bool isOpen)
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var database = await cluster.CloneAsync("warehouse");
        await using (var db = Open(database))
        {
            await db.Database.CreateExecutionStrategy().ExecuteAsync(async () =>
            {
                await using var open = isOpen ? await db.Database.BeginTransactionAsync(cancellationToken) : null;
                var item = await db.Items.SingleAsync(i => i.Id == 1, cancellationToken);
                await Assert.ThrowsAsync<InvalidOperationException>(() => db.InTransactionAsync(
                    token =>
                    {
                        item.Name = "Renamed";
                        return db.SaveChangesAsync(token);
                    },
                    cancellationToken));
            });
        }

        await cluster.DropAsync(database);
    }

    [Fact]
    public async Task A_commit_callback_runs_once_when_the_work_runs_twice()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var (database, runs, counted) = (await cluster.CloneAsync("warehouse"), 0, 0);
        await using (var db = Open(database, new LostStatement()))
        {
            await db.InTransactionAsync(
                token =>
                {
                    runs++;
                    db.OnCommitted(() => counted++);
                    Assert.Equal(0, counted);
                    return AddAsync(db, token);
                },
                cancellationToken);
        }

        Assert.Equal((2, 1), (runs, counted));
        await cluster.DropAsync(database);
    }

    [Fact]
    public async Task A_commit_callback_does_not_run_when_the_work_fails()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        var (database, counted) = (await cluster.CloneAsync("warehouse"), 0);
        await using (var db = Open(database))
        {
            await Assert.ThrowsAsync<ProblemException>(() => db.InTransactionAsync<int>(
                _ =>
                {
                    db.OnCommitted(() => counted++);
                    throw ProblemException.Conflict("No.");
                },
                cancellationToken));
            await db.InTransactionAsync(token => AddAsync(db, token), cancellationToken);
            Assert.Equal(0, counted);
            Assert.Throws<InvalidOperationException>(() => db.OnCommitted(() => counted++));
        }

        await cluster.DropAsync(database);
    }

    private WarehouseDbContext Open(string database, params IInterceptor[] interceptors) => new(
        new DbContextOptionsBuilder<WarehouseDbContext>()
            .UseNpgsql(cluster.ConnectionStringTo(database), npgsql => npgsql.EnableRetryOnFailure())
            .UseSnakeCaseNamingConvention()
            .AddInterceptors(interceptors)
        .Options);

    private static Task<int> AddAsync(WarehouseDbContext db, CancellationToken cancellationToken)
    {
        db.Add(new StockAdjustment { ItemId = 1, Delta = 1, Quantity = 11, Reason = "once" });
        return db.SaveChangesAsync(cancellationToken);
    }

    /// <summary>The server commits, but its confirmation never arrives.</summary>
    private sealed class LostAnswer : DbTransactionInterceptor
    {
        private bool isLost;

        public override Task TransactionCommittedAsync(
            DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
        {
            if (isLost)
            {
                return Task.CompletedTask;
            }

            isLost = true;
            throw new NpgsqlException("The connection was lost.", new IOException());
        }
    }

    /// <summary>The first statement is answered, and then the connection is lost.</summary>
    private sealed class LostStatement : DbCommandInterceptor
    {
        private bool isLost;

        public override ValueTask<DbDataReader> ReaderExecutedAsync(
            DbCommand command, CommandExecutedEventData eventData, DbDataReader result, CancellationToken cancellationToken = default)
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
