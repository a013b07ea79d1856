using MicroPlatform.AppHost;

await using var server = await EmbeddedPostgres.StartAsync();
Console.WriteLine($"PostgreSQL {server.Version} from {server.Source} listens: {server.ConnectionString}");
var stop = new TaskCompletionSource();
Console.CancelKeyPress += (_, key) =>
{
    key.Cancel = true;
    stop.TrySetResult();
};
await stop.Task;
