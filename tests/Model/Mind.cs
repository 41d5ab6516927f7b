using LivepatchAgent.Core;
using LivepatchAgent.Core.Agent;

namespace LivepatchAgent.Model;

/// <summary>
/// The agent's decisions as the loop asks for them: the real <see cref="Decider"/>, which nothing else in the model
/// calls. A <see cref="Mutation"/> stands in front of it and spoils one answer.
/// </summary>
internal class Mind
{
    public static readonly Mind Sound = new();

    public virtual Step Next(Turn turn) => Decider.Next(turn);

    public virtual AgentState Begin(Turn turn, Step step) => Decider.Begin(turn, step);

    public virtual AgentState Apply(Turn turn, Step step, StepResult result) => Decider.Apply(turn, step, result);

    public virtual Result<AgentState> Accept(Turn turn, Command command) => Decider.Accept(turn, command);

    public virtual AgentState Stopped(AgentState state, string bootId) => Decider.Stopped(state, bootId);
}
