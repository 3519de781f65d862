/** The producers' mesh: its clocks, and its state for programs that admit producers (`trust.md` section 11). */
import { environment } from "./config.js";
import { type Engine, checked } from "./engine.js";
import { native } from "./native.js";
import type { NativeDrift, NativeMesh } from "./native-trust.js";
import { checkKeys } from "./services.js";

/**
 * How clocks are judged, in milliseconds. Core judges. `ASTER_REPLAY_WINDOW_MS`, `ASTER_CLOCK_DRIFT_TOLERANCE_MS` and
 * `ASTER_GRACE_PERIOD_MS` say other defaults when it is made; one that is no number throws.
 */
export class ClockDriftConfig implements NativeDrift {
  /** Age up to which a message counts; default 30 000. */
  readonly replayWindowMs: number;
  /** What a clock may differ from the median; default 5000. */
  readonly driftToleranceMs: number;
  /** Interval of leases; default 900 000. */
  readonly leaseHeartbeatMs: number;
  /** Time after joining in which nobody is judged; default 60 000. */
  readonly gracePeriodMs: number;
  /** Offsets without which there is no median; default 3. */
  readonly minPeersForMedian: number;

  constructor(fields: Partial<NativeDrift> = {}) {
    const defaults = native().driftDefaults(environment());
    const names = Object.keys(defaults) as (keyof NativeDrift)[];
    checkKeys("ClockDriftConfig", fields, names);
    const of = (name: keyof NativeDrift): number => {
      const value = fields[name] ?? defaults[name];
      if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${name}: expected a whole number of 0 or more`);
      return value;
    };
    this.replayWindowMs = of("replayWindowMs");
    this.driftToleranceMs = of("driftToleranceMs");
    this.leaseHeartbeatMs = of("leaseHeartbeatMs");
    this.gracePeriodMs = of("gracePeriodMs");
    this.minPeersForMedian = of("minPeersForMedian");
  }

  /** Returns the median of offsets, of two the higher one; null for too few. */
  median(offsets: Iterable<number>): number | null {
    return native().driftMedian(this, [...offsets]);
  }

  /** Returns the peers whose offset differs too much from the median. */
  inDrift(offsets: Readonly<Record<string, number>>): Set<string> {
    const median = this.median(Object.values(offsets));
    if (median === null) return new Set();
    const drifting = Object.entries(offsets).filter(([, offset]) => native().drifts(this, offset, median));
    return new Set(drifting.map(([peer]) => peer));
  }
}

/** What a program that admits producers knows of their mesh. */
export interface MeshState {
  /** A secret of the deployment, 32 random bytes. */
  readonly salt: Uint8Array;
  /** Everything, as its file has it; written when a producer was answered. Begin without one. */
  document?: string;
}

const kept = new WeakMap<MeshState, { ownId: string; root: string; mesh: NativeMesh }>();

/** Returns core's mesh of a state. The same one as long as the state lives, so that nobody is forgotten. */
export function meshOf(engine: Engine, state: MeshState, ownId: string, rootPubkey: Uint8Array): NativeMesh {
  const root = Buffer.from(rootPubkey).toString("hex");
  let found = kept.get(state);
  if (found?.ownId !== ownId || found.root !== root) {
    found = { ownId, root, mesh: checked(engine.native.mesh(state.salt, state.document, ownId, rootPubkey)) };
    kept.set(state, found);
  }
  return found.mesh;
}
