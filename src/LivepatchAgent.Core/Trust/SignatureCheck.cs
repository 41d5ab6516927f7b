using System.Security.Cryptography;

namespace LivepatchAgent.Core.Trust;

/// <summary>
/// Whether a signature is one key's over content that comes in pieces: each appended in order, then asked once. Made by
/// <see cref="Algorithms.Check"/>, which alone knows what is done with the content.
/// </summary>
public abstract class SignatureCheck : IDisposable
{
    /// <summary>The hash that <see cref="Take"/> accepts; null where nothing but the content will do.</summary>
    public abstract HashAlgorithmName? Hash { get; }

    public abstract void Append(ReadOnlySpan<byte> content);

    /// <summary>The content's hash in the place of the content, from one who has it anyway.</summary>
    public abstract void Take(byte[] hash);

    /// <summary>False for whatever cannot be decided.</summary>
    public abstract bool Holds(byte[] signature);

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected abstract void Dispose(bool disposing);
}
