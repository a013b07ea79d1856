return await MicroPlatform.AppHost.CommandLine.RunAsync(args);
