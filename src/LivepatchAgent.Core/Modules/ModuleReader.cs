namespace LivepatchAgent.Core.Modules;

/// <summary>Reads a module's file: ELF64 relocatable. Every offset, count and string is bounded; a hostile file is a <see cref="Problem"/>.</summary>
public static class ModuleReader
{
    /// <param name="file">The whole file, typically mapped.</param>
    public static Result<ModuleFacts> Read(ReadOnlySpan<byte> file) =>
        new Problem(ProblemCode.ModuleMalformed, "cannot read the module: not yet", "");
}
