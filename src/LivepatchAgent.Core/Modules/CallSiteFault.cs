using System.Text.Json.Serialization;
using LivepatchAgent.Core.Wire;

namespace LivepatchAgent.Core.Modules;

/// <summary>
/// An entry of <c>__mcount_loc</c> at which ftrace would find other bytes than it expects, and switch itself off.
/// </summary>
/// <param name="Place">Where: the section and the offset in it.</param>
public sealed record CallSiteFault(CallSiteFaultKind Kind, string Place);

[JsonConverter(typeof(KebabEnumConverter<CallSiteFaultKind>))]
public enum CallSiteFaultKind
{
    /// <summary>
    /// The code there neither calls <c>__fentry__</c> nor is the no-op of five bytes that stands for such a call.
    /// </summary>
    NoCall,

    /// <summary>The entry names no place in code that is loaded.</summary>
    NotInCode,

    /// <summary>The place is listed more than once: the second time the call is gone already.</summary>
    ListedTwice,
}
