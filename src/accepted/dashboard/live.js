// The one stream of this page. It is read with fetch, because an EventSource cannot send a key; it comes back by itself
// and, where the stream has positions, goes on exactly where it was.

import { Problem, ask } from "./api.js";

const SILENCE = 40_000; // the server says something every 15 s; whoever is silent for so long is gone
const LONGEST = 15_000;

/** A stream that is being followed until `close`. `heard(name, data)` gets events, `changed(state, until)` the connection. */
export class Live {
  #path;
  #query;
  #heard;
  #changed;
  #lastId = "";
  #stop = new AbortController();
  #failures = 0;
  #wakeUp = () => {};

  constructor(path, query, heard, changed) {
    [this.#path, this.#query, this.#heard, this.#changed] = [path, query, heard, changed];
    this.#run();
  }

  close() {
    this.#stop.abort();
    this.#wakeUp();
  }

  /** Do not wait any longer before the next try. */
  hurry() {
    this.#wakeUp();
  }

  async #run() {
    this.#changed("connecting");
    while (!this.#stop.signal.aborted) {
      let pause = 0;
      try {
        if (await this.#connect()) return;
        pause = 500 * Math.random();
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        if (error instanceof Problem && [401, 403, 404, 410].includes(error.status)) {
          this.#changed(error.status === 401 ? "signed-out" : "ended", error);
          return;
        }
        this.#failures += 1;
        pause = Math.min(500 * 2 ** this.#failures, LONGEST) * (0.7 + 0.3 * Math.random());
      }
      if (this.#stop.signal.aborted) return;
      this.#changed("reconnecting", Date.now() + pause);
      await new Promise((resolve) => {
        this.#wakeUp = resolve;
        setTimeout(resolve, pause);
      });
    }
  }

  /** Follow one connection to its end; true where the server says that there is nothing more to come. */
  async #connect() {
    const connection = new AbortController();
    const stopped = () => connection.abort();
    this.#stop.signal.addEventListener("abort", stopped, { once: true });
    let watchdog = setTimeout(stopped, SILENCE);
    try {
      const headers = { Accept: "text/event-stream", ...(this.#lastId ? { "Last-Event-ID": this.#lastId } : {}) };
      const answer = await ask(this.#path, { query: this.#query, headers, signal: connection.signal });
      if (answer.status === 204) {
        this.#changed("ended");
        return true;
      }
      this.#failures = 0;
      this.#changed("live");
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return false;
        clearTimeout(watchdog);
        watchdog = setTimeout(stopped, SILENCE);
        const blocks = (rest + value).split("\n\n");
        rest = blocks.pop();
        blocks.forEach((block) => this.#hear(block));
        if (this.#stop.signal.aborted) return true;
      }
    } finally {
      clearTimeout(watchdog);
      this.#stop.signal.removeEventListener("abort", stopped);
    }
  }

  #hear(block) {
    let [name, data] = ["message", ""];
    for (const line of block.split("\n")) {
      if (line.startsWith("event: ")) name = line.slice(7);
      else if (line.startsWith("data: ")) data += line.slice(6);
      else if (line.startsWith("id: ")) this.#lastId = line.slice(4);
    }
    if (data) this.#heard(name, JSON.parse(data), this.#lastId);
  }
}
