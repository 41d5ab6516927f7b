using System.CommandLine;
using LivepatchAgent.Core;
using LivepatchAgent.Core.Trust;
using LivepatchAgent.Server.Trust;

namespace LivepatchAgent.Server.Commands;

/// <summary>What <c>livepatch-publisher publish --server-pin</c> wants to know.</summary>
internal static class PinCommand
{
    public static Command Create()
    {
        var data = Shared.Data();
        var command = new Command("pin", "Print the SHA-256 of the server's public TLS key, by which a publisher knows it") { data };
        command.SetAction(parsed =>
        {
            var folder = parsed.GetRequiredValue(data);
            if (ServerKeys.Known(folder.TlsCertificate) is not { } certificate)
                return Exit.Fail(new Problem(ProblemCode.NotFound, $"cannot tell the pin: {folder.Root} holds no TLS certificate yet", "start the server once, or give its folder with --data"));
            Console.WriteLine(Certificates.KeyPin(certificate));
            return Exit.Ok;
        });
        return command;
    }
}
