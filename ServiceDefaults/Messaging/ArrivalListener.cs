using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Rebus.Bus;

namespace MicroPlatform.ServiceDefaults.Messaging;

/// <summary>
/// Wakes the receivers of a queue when PostgreSQL announces a message (LISTEN). Notifications are lost when the connection breaks or a
/// pooler keeps no sessions, so the listener also polls: after <paramref name="poll"/>, or earlier when a deferred message is due.
/// </summary>
internal sealed class ArrivalListener(
    string connectionString, string queue, TimeSpan poll, Receivers receivers, IServiceProvider services, ILogger<ArrivalListener> logger)
    : BackgroundService
{
    // There is one channel per queue; LISTEN truncates its name to 63 bytes too. The trigger covers updates, because a retried dead letter
    // is updated.
    private const string Install = """
        DO $do$ BEGIN
            PERFORM pg_advisory_xact_lock(hashtext('messages_signal'));
            IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'messages'::regclass AND tgname = 'messages_signal') THEN
                CREATE OR REPLACE FUNCTION messages_signal() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    PERFORM pg_notify(left('messages.' || NEW.recipient, 63), CASE WHEN NEW.visible > now() THEN 'deferred' ELSE '' END);
                    RETURN NULL;
                END $$;
                CREATE TRIGGER messages_signal AFTER INSERT OR UPDATE OF recipient, visible ON messages
                    FOR EACH ROW EXECUTE FUNCTION messages_signal();
            END IF;
        END $do$
        """;

    private const string UntilFirst = "SELECT min(visible) - now() FROM messages WHERE recipient = $1 AND expiration > now()";

    private static readonly TimeSpan ErrorDelay = TimeSpan.FromSeconds(1);

    private readonly string connectionString =
        new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false, ApplicationName = $"{queue} listener" }.ConnectionString;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        _ = services.GetRequiredService<IBus>(); // creates the table
        while (true)
        {
            try
            {
                await ListenAsync(stoppingToken);
            }
            catch (Exception lost) when (lost is NpgsqlException or TimeoutException)
            {
                logger.LogWarning(
                    "Events for {Queue} are not announced ({Reason}); looking for them every {Seconds} s", queue, lost.Message,
                    ErrorDelay.TotalSeconds);
                receivers.Signal();
                await Task.Delay(ErrorDelay, stoppingToken);
            }
        }
    }

    private async Task ListenAsync(CancellationToken stoppingToken)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        var isDeferred = false;
        connection.Notification += (_, arrival) =>
        {
            if (arrival.Payload.Length > 0)
            {
                isDeferred = true;
            }
            else
            {
                receivers.Signal();
            }
        };
        await connection.OpenAsync(stoppingToken);
        await using var listen = new NpgsqlCommand($"{Install}; LISTEN \"messages.{queue}\"", connection);
        await listen.ExecuteNonQueryAsync(stoppingToken);
        await using var untilFirst = new NpgsqlCommand(UntilFirst, connection) { Parameters = { new() { Value = queue } } };
        while (true)
        {
            isDeferred = false;
            var due = await untilFirst.ExecuteScalarAsync(stoppingToken) as TimeSpan? ?? poll;
            if (due <= TimeSpan.Zero)
            {
                receivers.Signal();
                due = poll;
            }

            // The driver treats a wait below a millisecond as infinite.
            var wait = (due < poll ? due : poll) + TimeSpan.FromMilliseconds(1);
            while (!isDeferred && await connection.WaitAsync(wait, stoppingToken))
            {
            }
        }
    }
}
