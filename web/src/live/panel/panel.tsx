import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { messages } from "../../i18n/index.ts";
import { narrow } from "../../ui/environment.ts";
import { focusedPush, shownZone } from "../store.ts";
import { FeedList, FeedPause } from "./feed-list.tsx";
import { FigureTiles, Strip } from "./figures.tsx";
import { HeldBars } from "./held-bars.tsx";
import { ZoneList } from "./zone-list.tsx";

type Tab = "messages" | "zones" | "figures";

/** A drag longer than this on the sheet's head opens or closes it. */
const DRAG_PX = 28;

interface TabsProps {
  readonly tabs: readonly Tab[];
  readonly current: Tab;
  readonly onChange: (tab: Tab) => void;
}

function Tabs({ tabs, current, onChange }: TabsProps) {
  const text = messages.value;
  const names = { messages: text.feed.title, zones: text.zones.title, figures: text.figures.title };
  const row = useRef<HTMLDivElement>(null);
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const index = (tabs.indexOf(current) + step + tabs.length) % tabs.length;
    const next = tabs[index];
    if (!next) return;
    event.preventDefault();
    onChange(next);
    row.current?.querySelectorAll("button")[index]?.focus();
  };
  return (
    <div class="tabs" role="tablist" ref={row} onKeyDown={onKeyDown}>
      {tabs.map((tab) => (
        <button
          key={tab}
          type="button"
          role="tab"
          id={`tab-${tab}`}
          aria-selected={tab === current}
          aria-controls={tab}
          tabIndex={tab === current ? 0 : -1}
          onClick={() => onChange(tab)}
        >
          {names[tab]}
        </button>
      ))}
    </div>
  );
}

/** Opens the sheet on a drag up and closes it on a drag down. */
function useSheetDrag(setOpen: (open: boolean) => void) {
  const from = useRef<number | null>(null);
  return {
    onPointerDown: (event: PointerEvent) => {
      from.current = event.clientY;
    },
    onPointerMove: (event: PointerEvent) => {
      if (from.current === null) return;
      const moved = event.clientY - from.current;
      if (Math.abs(moved) < DRAG_PX) return;
      from.current = null;
      setOpen(moved < 0);
    },
    onPointerUp: () => {
      from.current = null;
    },
  };
}

/** Everything beside the map: figures, what was held back, messages, zones. A sheet on a phone. */
export function Panel() {
  const text = messages.value;
  const tab = useSignal<Tab>("messages");
  const open = useSignal(false);
  const drag = useSheetDrag((value) => {
    open.value = value;
  });
  const tabs: readonly Tab[] = narrow.value
    ? ["messages", "zones", "figures"]
    : ["messages", "zones"];
  const current = tabs.includes(tab.value) ? tab.value : "messages";

  // What was asked for is on the map: let the map be seen.
  const [push, zone] = [focusedPush.value, shownZone.value];
  useEffect(() => {
    if (push || zone) open.value = false;
  }, [push, zone, open]);

  return (
    <aside class="panel" id="panel" tabIndex={-1} data-open={open.value}>
      {narrow.value ? (
        <div class="sheet-head" {...drag}>
          <button
            type="button"
            class="grip"
            aria-expanded={open.value}
            aria-label={open.value ? text.feed.collapse : text.feed.expand}
            onClick={() => {
              open.value = !open.value;
            }}
          />
          <Strip />
        </div>
      ) : (
        <>
          <FigureTiles />
          <HeldBars rows={5} />
        </>
      )}
      <div class="panel-head">
        <Tabs
          tabs={tabs}
          current={current}
          onChange={(next) => {
            tab.value = next;
          }}
        />
        {current === "messages" && <FeedPause />}
      </div>
      <div
        class="panel-body"
        id={current}
        role="tabpanel"
        aria-labelledby={`tab-${current}`}
        tabIndex={-1}
      >
        {current === "messages" && <FeedList />}
        {current === "zones" && <ZoneList />}
        {current === "figures" && (
          <div class="panel-scroll">
            <FigureTiles />
            <HeldBars rows={8} />
          </div>
        )}
      </div>
    </aside>
  );
}
