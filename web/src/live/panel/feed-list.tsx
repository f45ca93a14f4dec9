import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { formatCount, formatTime, languageName } from "../../i18n/format.ts";
import { inLanguage, language, messages } from "../../i18n/index.ts";
import { Icon } from "../../ui/icon.tsx";
import type { PushMessage } from "../contract.ts";
import { type Entry, type HeldEntry, topReasons } from "../feed.ts";
import {
  entries,
  figures,
  flush,
  focusedPush,
  pausedByButton,
  pausedByScroll,
  scene,
  waitingCount,
} from "../store.ts";
import { reasonWords } from "./held-bars.tsx";

/** Scrolled further than this, the reader is reading: nothing may move under their eyes. */
const READING_PX = 24;
const GAP_PX = 8;
const HELD_REASONS = 3;

export function FeedPause() {
  const text = messages.value.feed;
  const paused = pausedByButton.value;
  const label = paused ? text.resume : text.pause;
  return (
    <button
      type="button"
      class="icon-button feed-pause"
      aria-pressed={paused}
      aria-label={label}
      title={label}
      onClick={() => {
        pausedByButton.value = !paused;
        flush();
      }}
    >
      <Icon name={paused ? "play" : "pause"} />
    </button>
  );
}

const timeZone = () => scene.value?.destination.time_zone ?? "UTC";

function zoneName(id: string | null): string | null {
  const current = scene.value;
  const zone = current?.zones.features.find((feature) => feature.properties.id === id);
  if (!current || !zone) return null;
  return inLanguage(zone.properties.name, language.value, current.destination.default_language);
}

function PushCard({ push }: { push: PushMessage }) {
  const text = messages.value.feed;
  const where = zoneName(push.zone);
  const written = text.language(languageName(push.lang));
  return (
    <article class="card push-card">
      <header>
        <span class="tag" title={written}>
          <span aria-hidden="true">{push.lang}</span>
          <span class="visually-hidden">{written}</span>
        </span>
        <span class="card-campaign">{push.campaign_name}</span>
        <time class="tabular" dateTime={new Date(push.at_ms).toISOString()}>
          {formatTime(push.at_ms, timeZone())}
        </time>
      </header>
      <h2 lang={push.lang}>{push.title}</h2>
      <p lang={push.lang}>{push.body}</p>
      <footer>
        <Icon name="pin" />
        <span>{[where, push.visitor_label].filter(Boolean).join(" · ")}</span>
      </footer>
      <button
        type="button"
        class="card-hit"
        aria-label={`${text.showOnMap}: ${push.title}`}
        onClick={() => {
          focusedPush.value = { ...push };
        }}
      />
    </article>
  );
}

function HeldLine({ entry }: { entry: HeldEntry }) {
  const why = topReasons(entry.reasons, HELD_REASONS).map(
    ([reason, count]) =>
      `${reason === null ? messages.value.held.others : reasonWords(reason)} ${formatCount(count)}`,
  );
  return (
    <div class="card held-line">
      <Icon name="hand" />
      <b class="tabular">{messages.value.feed.heldBack(entry.total, formatCount(entry.total))}</b>
      <span class="tabular">{why.join(" · ")}</span>
    </div>
  );
}

function Row({ entry }: { entry: Entry }) {
  if (entry.kind === "push") return <PushCard push={entry.push} />;
  if (entry.kind === "held") return <HeldLine entry={entry} />;
  return <p class="skipped-line">{messages.value.feed.skipped(formatCount(entry.count))}</p>;
}

/** Places rows by transform from their measured heights: they glide, and the layout never shifts. */
function placeRows(list: HTMLElement): void {
  let top = 0;
  for (const row of list.children) {
    if (!(row instanceof HTMLElement)) continue;
    row.style.transform = `translateY(${top}px)`;
    top += row.offsetHeight + GAP_PX;
  }
  list.style.height = `${top}px`;
}

function Empty() {
  const text = messages.value.feed;
  if (!figures.value) {
    return (
      <div class="feed-skeleton" aria-hidden="true">
        {[0, 1, 2, 3].map((row) => (
          <div key={row} class="skeleton" />
        ))}
      </div>
    );
  }
  return (
    <div class="empty">
      <Icon name="message" />
      <strong>{text.empty}</strong>
      <span>{text.emptyHint}</span>
    </div>
  );
}

export function FeedList() {
  const text = messages.value.feed;
  const scroller = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLOListElement>(null);
  const shown = entries.value;

  useLayoutEffect(() => {
    if (list.current) placeRows(list.current);
  });

  useEffect(() => {
    const element = list.current;
    if (!element) return;
    const observer = new ResizeObserver(() => placeRows(element));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useEffect(
    () => () => {
      pausedByScroll.value = false;
      flush();
    },
    [],
  );

  const onScroll = () => {
    const reading = (scroller.current?.scrollTop ?? 0) > READING_PX;
    if (reading === pausedByScroll.value) return;
    pausedByScroll.value = reading;
    if (!reading) flush();
  };
  const toNewest = () => {
    pausedByButton.value = false;
    scroller.current?.scrollTo({ top: 0 });
    pausedByScroll.value = false;
    flush();
  };

  return (
    <div class="feed">
      {waitingCount.value > 0 && (
        <button type="button" class="button small newer" onClick={toNewest}>
          <Icon name="up" />
          {text.more(waitingCount.value)}
        </button>
      )}
      <div class="panel-scroll" ref={scroller} onScroll={onScroll}>
        {shown.length === 0 && <Empty />}
        <ol class="feed-rows" ref={list}>
          {shown.map((entry) => (
            <li key={entry.key}>
              <Row entry={entry} />
            </li>
          ))}
        </ol>
      </div>
    </div>
  );
}
