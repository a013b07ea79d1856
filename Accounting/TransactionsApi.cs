using System.ComponentModel;
using MicroPlatform.ServiceDefaults;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.EntityFrameworkCore;

namespace MicroPlatform.Accounting;

/// <summary>The books, for the back office.</summary>
internal static class TransactionsApi
{
    public static void MapTransactionsApi(this IEndpointRouteBuilder app)
    {
        var transactions = app.MapApi("/accounting/transactions", "Transactions").RequireAuthorization(Policies.Staff);
        transactions.MapGet("/", ListAsync).AllowStaleRead().WithSummary("List transactions, void ones included");
        transactions.MapPost("/", CreateAsync).WithIdempotency<AccountingDbContext>().WithSummary("Enter a transaction");

        var one = transactions.MapGroup("/{id:long}");
        one.MapGet("/", GetAsync).WithSummary("Show a transaction");
        one.MapPut("/", UpdateAsync)
            .WithSummary("Move a transaction that staff entered to another order");
        one.MapDelete("/", VoidAsync)
            .WithSummary("Void a transaction that staff entered; it stays readable and no longer counts");
    }

    private static async Task<Ok<Page<TransactionResponse>>> ListAsync(
        [AsParameters] PageQuery page, AccountingDbContext db, CancellationToken cancellationToken,
        [Description("Only those for this order.")] long? orderId = null)
    {
        var transactions = db.Transactions.AsNoTracking();
        if (orderId is { } order)
        {
            transactions = transactions.Where(t => t.OrderId == order);
        }

        return TypedResults.Ok(await transactions.ToPageAsync(
            page, t => t.Id, TransactionResponse.FromTransaction, t => t.Id, cancellationToken));
    }

    private static async Task<Created<TransactionResponse>> CreateAsync(
        CreateTransactionRequest request, AccountingDbContext db, TimeProvider time, CancellationToken cancellationToken)
    {
        var transaction = new Transaction
        {
            OrderId = request.OrderId!.Value,
            Sum = request.Sum!.Value,
            Date = request.Date ?? time.GetUtcNow(),
        };
        db.Add(transaction);
        await db.SaveChangesAsync(cancellationToken);
        return TypedResults.Created($"{Api.Prefix}/accounting/transactions/{transaction.Id}", TransactionResponse.Of(transaction));
    }

    private static async Task<Ok<TransactionResponse>> GetAsync(long id, AccountingDbContext db, CancellationToken cancellationToken) =>
        TypedResults.Ok(await db.Transactions.Where(t => t.Id == id).Select(TransactionResponse.FromTransaction)
                .SingleOrDefaultAsync(cancellationToken)
            ?? throw ProblemException.NotFound("transaction", id));

    private static async Task<Ok<TransactionResponse>> UpdateAsync(
        long id, UpdateTransactionRequest request, AccountingDbContext db,
        [AsParameters] Preconditions preconditions, CancellationToken cancellationToken)
    {
        var transaction = await FindAsync(db, id, preconditions, cancellationToken);
        transaction.MoveTo(request.OrderId!.Value);
        await db.SaveChangesAsync(cancellationToken);
        return TypedResults.Ok(TransactionResponse.Of(transaction));
    }

    private static async Task<NoContent> VoidAsync(
        long id, AccountingDbContext db, TimeProvider time, [AsParameters] Preconditions preconditions, CancellationToken cancellationToken)
    {
        var transaction = await FindAsync(db, id, preconditions, cancellationToken);
        transaction.VoidManually(time.GetUtcNow());
        await db.SaveChangesAsync(cancellationToken);
        return TypedResults.NoContent();
    }

    private static async Task<Transaction> FindAsync(
        AccountingDbContext db, long id, Preconditions preconditions, CancellationToken cancellationToken)
    {
        var transaction = await db.Transactions.SingleOrDefaultAsync(t => t.Id == id, cancellationToken)
            ?? throw ProblemException.NotFound("transaction", id);
        preconditions.Require(transaction.Version);
        return transaction;
    }
}
