const WIDTH = 100;
const HEIGHT = 24;

/** The curve of the last minute, newest at the right; says nothing the figure beside it does not. */
export function Sparkline({ samples, room }: { samples: readonly number[]; room: number }) {
  const most = Math.max(...samples, 1e-9);
  const step = WIDTH / (room - 1);
  const start = WIDTH - (samples.length - 1) * step;
  const points = samples.map(
    (value, i) =>
      `${(start + i * step).toFixed(1)},${(HEIGHT - 2 - (value / most) * (HEIGHT - 4)).toFixed(1)}`,
  );
  const line = points.join(" ");
  return (
    <svg
      class="sparkline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      {samples.length > 1 && (
        <>
          <polygon points={`${start.toFixed(1)},${HEIGHT} ${line} ${WIDTH},${HEIGHT}`} />
          <polyline points={line} />
        </>
      )}
    </svg>
  );
}
