// Server-sent events: one tick after another until the count is reached or the client leaves.

export default {
  fetch(request, env) {
    const query = new URL(request.url).searchParams;
    const count = bounded(query.get("count"), 60, 1, 3_600);
    const everyMs = bounded(query.get("ms"), env.TICK_MS, 1, 60_000);
    return new Response(ticks(count, everyMs), {
      headers: { "content-type": "text/event-stream", "cache-control": "no-store" },
    });
  },
};

/**
 * A stream of `count` events. The first leaves at once. Only a reader that is still there asks for
 * the next one, so a client that goes away ends the ticking; `cancel` then drops the last timer.
 */
function ticks(count, everyMs) {
  const encoder = new TextEncoder();
  let sent = 0;
  let timer;
  return new ReadableStream({
    async pull(controller) {
      if (sent > 0) {
        await new Promise((resolve) => {
          timer = setTimeout(resolve, everyMs);
        });
      }
      sent += 1;
      controller.enqueue(encoder.encode(`id: ${sent}\nevent: tick\ndata: ${sent} of ${count}\n\n`));
      if (sent === count) {
        controller.close();
      }
    },
    cancel() {
      clearTimeout(timer);
      console.log(`client left after ${sent} of ${count}`);
    },
  }, { highWaterMark: 0 });
}

/** The number in `text`, or `otherwise` if there is none, kept between `min` and `max`. */
function bounded(text, otherwise, min, max) {
  const number = Number.parseInt(text ?? "", 10);
  return Math.min(max, Math.max(min, Number.isNaN(number) ? otherwise : number));
}
