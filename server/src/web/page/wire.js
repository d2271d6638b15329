// The connection to the server: frames as JSON over a WebSocket, the login, signs of life, and coming back by itself.

import { toBase64 } from "./bytes.js";
import { prove } from "./keys.js";

const PROTOCOL = 1;

/** Milliseconds from the attempt to connect to the proven identity. */
const HANDSHAKE = 10_000;
/** A connection on which nothing was heard for so many milliseconds is asked for a sign of life … */
const PING_AFTER = 20_000;
/** … and given up after so many. */
const DEAD_AFTER = 40_000;
/** How often we look at the silence, by a clock that nobody sets. */
const LOOK_EVERY = 2_000;

/** The first pause before connecting again, in milliseconds; it doubles … */
const FIRST_PAUSE = 500;
/** … up to this. */
const LONGEST_PAUSE = 30_000;

/** A connection that held for so many milliseconds was a good one: the pauses begin anew. */
const STEADY = 10_000;
/** The shortest pause after this browser could not keep something. */
const STORAGE_PAUSE = 5_000;

/** Reasons after which another attempt would do harm or no good. */
const FINAL = ["superseded", "wrong-proof", "version"];

/** What a server's last frame says, as the end of a text's key. */
const CLOSINGS = {
  ProtocolError: "protocol",
  WrongProof: "wrong-proof",
  ServerFull: "full",
  Superseded: "superseded",
  ShuttingDown: "stopping",
  Silent: "silent",
  StoreFailed: "disk-failed",
};

/**
 * How the connection is.
 * @typedef {object} Link
 * @property {"connecting" | "online" | "waiting" | "stopped"} state
 * @property {string} [why] why it is not online, as the end of a text's key
 */

export class Wire {
  #identity;
  #on;
  #socket = null;
  #stage = "down";
  #heardAt = 0;
  #beganAt = 0;
  #pinged = false;
  #failures = 0;
  #retry = 0;
  #look = 0;
  #running = false;

  /**
   * @param {import("./keys.js").Identity} identity
   * @param {{welcome: (welcome: object) => void, frame: (kind: string, body: any) => void, link: (link: Link) => void}} on
   */
  constructor(identity, on) {
    this.#identity = identity;
    this.#on = on;
  }

  /** Connects, and goes on connecting until it is stopped. */
  start() {
    this.#running = true;
    this.#failures = 0;
    this.#dial();
  }

  /** Says goodbye. */
  stop() {
    this.#running = false;
    this.#hangUp();
  }

  /** Connects at once, also where it was given up. */
  connectNow() {
    if (this.#stage === "down") this.start();
  }

  /** Does not wait for the pause to end, if there is one. */
  hurry() {
    if (this.#running) this.connectNow();
  }

  /** Whether frames may be sent. */
  get isOnline() {
    return this.#stage === "online";
  }

  /**
   * Sends a frame; nothing where there is no connection, since everything that matters is sent again on the next one.
   * @param {object | string} frame
   */
  send(frame) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  /**
   * Ends the connection, which is made again after a pause.
   * @param {string} why the end of a text's key
   */
  giveUp(why) {
    if (this.#stage === "down") return;
    if (this.#stage === "online" && performance.now() - this.#beganAt >= STEADY) this.#failures = 0;
    this.#hangUp();
    if (!this.#running) return;
    if (FINAL.includes(why)) {
      this.#running = false;
      this.#on.link({ state: "stopped", why });
      return;
    }
    const shortest = why.startsWith("storage") ? STORAGE_PAUSE : FIRST_PAUSE;
    const pause = Math.min(LONGEST_PAUSE, shortest * 2 ** Math.min(this.#failures, 10));
    this.#failures += 1;
    this.#retry = setTimeout(() => this.#dial(), pause * (0.5 + Math.random() / 2));
    this.#on.link({ state: "waiting", why });
  }

  #dial() {
    this.#hangUp();
    this.#stage = "greeting";
    this.#beganAt = performance.now();
    this.#on.link({ state: "connecting" });
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/ws`);
    this.#socket = socket;
    const { key, device } = this.#identity;
    socket.onopen = () => this.send({ versions: [PROTOCOL], key, device });
    socket.onmessage = ({ data }) => this.#receive(socket, data);
    socket.onclose = () => this.giveUp("lost");
    this.#look = setInterval(() => this.#checkSilence(), LOOK_EVERY);
  }

  #hangUp() {
    clearTimeout(this.#retry);
    clearInterval(this.#look);
    this.#stage = "down";
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #receive(socket, data) {
    this.#heardAt = performance.now();
    this.#pinged = false;
    try {
      const frame = JSON.parse(data);
      // A variant without fields is its name alone; the server has none, but a later one may.
      const [kind, body] = typeof frame === "string" ? [frame, null] : Object.entries(frame)[0];
      this.#frame(socket, kind, body);
    } catch (error) {
      // Whatever a server of another kind says, or does not say, ends here.
      console.warn(error);
      this.giveUp("protocol");
    }
  }

  #frame(socket, kind, body) {
    if (kind === "Closing") return this.giveUp(CLOSINGS[body] ?? "lost");
    if (this.#stage === "greeting") {
      if (kind !== "Accepted" || body.version !== PROTOCOL) return this.giveUp("version");
      this.#stage = "proving";
      prove(this.#identity, body.nonce).then(
        (signature) => {
          if (this.#socket === socket) this.send({ Proof: { signature: toBase64(signature) } });
        },
        () => this.#socket === socket && this.giveUp("wrong-proof"),
      );
    } else if (kind === "Welcome") {
      this.#stage = "online";
      this.#beganAt = performance.now();
      this.#on.welcome(body);
      this.#on.link({ state: "online" });
    } else if (kind === "Ping") {
      this.send({ Pong: { token: body.token } });
    } else if (kind !== "Pong") {
      this.#on.frame(kind, body);
    }
  }

  #checkSilence() {
    const now = performance.now();
    if (this.#stage !== "online") {
      if (now - this.#beganAt >= HANDSHAKE) this.giveUp("unreachable");
    } else if (now - this.#heardAt >= DEAD_AFTER) {
      this.giveUp("silent");
    } else if (now - this.#heardAt >= PING_AFTER && !this.#pinged) {
      this.#pinged = true;
      this.send({ Ping: { token: 0 } });
    }
  }
}
