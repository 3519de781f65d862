/** One service in decorators; compiled with both kinds of them. */
import { type CallContext, Rpc, Service, WireType, anyOf, f, wireType } from "@aster/rpc";

@WireType("mission/StatusQuery", { agent: f.string() })
export class StatusQuery {
  agent = "";
  constructor(init?: Partial<StatusQuery>) {
    Object.assign(this, init);
  }
}

export class AgentStatus extends wireType("mission/AgentStatus", {
  agent: f.string(),
  state: f.string({ default: "idle" }),
  uptimeS: f.int({ name: "uptime_s" }),
}) {}

@Service({ name: "MissionControl", version: 1, requires: anyOf("ops", "admin") })
export class MissionControl {
  @Rpc({ request: StatusQuery, response: AgentStatus, timeout: 30_000, idempotent: true })
  async status(query: StatusQuery, context: CallContext): Promise<AgentStatus> {
    return new AgentStatus({ agent: query.agent, state: context.method });
  }

  @Rpc({ params: { agent: f.string(), force: f.bool() }, response: AgentStatus })
  stop(request: { agent: string; force: boolean }): AgentStatus {
    return new AgentStatus({ agent: request.agent, state: request.force ? "killed" : "stopped" });
  }
}

@Service({ name: "Open", public: true })
export class Open {
  @Rpc({ request: StatusQuery, response: AgentStatus, timeout: 30_000, idempotent: true })
  async status(query: StatusQuery, context: CallContext): Promise<AgentStatus> {
    return new AgentStatus({ agent: query.agent, state: context.method });
  }

  @Rpc({ params: { agent: f.string(), force: f.bool() }, response: AgentStatus, name: "halt" })
  stop(request: { agent: string; force: boolean }): AgentStatus {
    return new AgentStatus({ agent: request.agent, state: request.force ? "killed" : "stopped" });
  }
}
