using System.CommandLine;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Server.Trust;

namespace LivepatchAgent.Server.Commands;

/// <summary>`pin`: what <c>livepatch-publisher publish --server-pin</c> takes.</summary>
internal static class PinCommand
{
    public static Command Make()
    {
        var data = SharedOptions.Data();
        var command = new Command(
            "pin", "Print the SHA-256 of the server's public TLS key, by which a publisher knows it") { data };
        command.SetAction(parsed =>
        {
            var folder = parsed.GetRequiredValue(data);
            if (ServerKeys.Known(folder.TlsCertificate) is not { } certificate)
            {
                return Failure.Report(new Problem(
                    ProblemCode.NotFound,
                    $"cannot print the pin: {folder.Root} holds no TLS certificate yet",
                    "start the server once, or give its folder with --data"));
            }

            Console.WriteLine(Certificates.KeyPin(certificate));
            return ExitCode.Ok;
        });
        return command;
    }
}
