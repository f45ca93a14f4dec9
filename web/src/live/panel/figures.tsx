import type { ComponentChildren } from "preact";
import { formatBrief, formatShare, formatShort, splitDuration } from "../../i18n/format.ts";
import { messages } from "../../i18n/index.ts";
import { Sparkline } from "../../ui/sparkline.tsx";
import type { Figures } from "../contract.ts";
import { figures, HISTORY_MAX, latencyHistory, pingHistory, simulated } from "../store.ts";

const DASH = "–";

export const heldTotal = (now: Figures): number =>
  Object.values(now.held).reduce((sum, count) => sum + count, 0);

interface TileProps {
  readonly label: string;
  readonly note?: ComponentChildren;
  readonly curve?: ComponentChildren;
  readonly tone?: "accent";
  readonly wide?: boolean;
  readonly children: ComponentChildren;
}

function Tile({ label, note, curve, tone, wide = false, children }: TileProps) {
  return (
    <div class="tile" data-tone={tone} data-wide={wide}>
      <dt>{label}</dt>
      <dd class="tile-value tabular">{children}</dd>
      {note !== undefined && <dd class="tile-note tabular">{note}</dd>}
      {curve}
    </div>
  );
}

function Duration({ us }: { us: number | undefined }) {
  if (us === undefined) return <>{DASH}</>;
  const [number, unit] = splitDuration(us);
  return (
    <>
      {number}
      <span class="unit"> {unit}</span>
    </>
  );
}

function TransitionCounts({ now }: { now: Figures | null }) {
  const text = messages.value.figures;
  return (
    <div class="tile transitions" data-wide={true}>
      <dt class="visually-hidden">{text.transitions}</dt>
      {(["enter", "exit", "dwell", "cross"] as const).map((kind) => (
        <dd key={kind}>
          <b class="tabular">{now ? formatShort(now.transitions[kind]) : DASH}</b>
          <span>{text[kind]}</span>
        </dd>
      ))}
    </div>
  );
}

/** The running figures. Every tile keeps its size whatever its number, so that nothing jumps. */
export function FigureTiles() {
  const text = messages.value.figures;
  const now = figures.value;
  const held = now ? heldTotal(now) : 0;
  const share = now && now.decisions > 0 ? held / now.decisions : 0;
  return (
    <section class="figures" aria-label={text.title}>
      <dl>
        <Tile
          label={text.pushes}
          tone="accent"
          note={text.ofDecisions(now ? formatBrief(now.decisions) : DASH)}
        >
          {now ? formatShort(now.pushes) : DASH}
        </Tile>
        <Tile label={text.held} note={text.heldShare(now ? formatShare(share) : DASH)}>
          {now ? formatShort(held) : DASH}
        </Tile>
        <Tile label={text.visitors} note={simulated.value ? text.visitorsSimulated : "\u00a0"}>
          {now ? formatShort(now.visitors) : DASH}
        </Tile>
        <Tile
          label={text.pings}
          note={
            now && now.queue > 0
              ? text.queue(formatBrief(now.queue))
              : text.pingsTotal(now ? formatBrief(now.pings) : DASH)
          }
          curve={<Sparkline samples={pingHistory.value} room={HISTORY_MAX} />}
          wide
        >
          {now ? formatShort(now.pings_per_s) : DASH}
        </Tile>
        <Tile
          label={text.latency}
          note={
            <>
              <abbr title={text.p99}>{text.p99Short}</abbr> <Duration us={now?.match_p99_us} />
            </>
          }
          curve={<Sparkline samples={latencyHistory.value} room={HISTORY_MAX} />}
          wide
        >
          <Duration us={now?.match_p50_us} />
          <span class="unit"> {text.p50}</span>
        </Tile>
        <TransitionCounts now={now} />
      </dl>
    </section>
  );
}

/** The four figures that matter most, in one line, for a phone. */
export function Strip() {
  const text = messages.value.figures;
  const now = figures.value;
  const cells: readonly (readonly [label: string, value: ComponentChildren])[] = [
    [text.pushes, now ? formatShort(now.pushes) : DASH],
    [text.held, now ? formatShort(heldTotal(now)) : DASH],
    [
      simulated.value ? messages.value.app.simulated : text.visitors,
      now ? formatShort(now.visitors) : DASH,
    ],
    [text.p99Strip, <Duration key="p99" us={now?.match_p99_us} />],
  ];
  return (
    <dl class="strip" aria-label={text.title}>
      {cells.map(([label, value]) => (
        <div key={label}>
          <dd class="tabular">{value}</dd>
          <dt>{label}</dt>
        </div>
      ))}
    </dl>
  );
}
