// When to give up a session and begin another. Pure: facts in, decision out.
export const SILENT_S = 1.3; // no packet this long: something between the encoder and here has ended
export const RETURN_S = 4; // the lobby says STREAMING again; if no packet follows, the session is worth nothing
export const CONNECT_S = 8; // from the answer until connected
const BACKOFF_S = [0, 0.5, 1, 2, 4, 8, 10];
export const ATTEMPTS = 40; // some six minutes; then a person, or the lobby's return, starts it again

// Problems that another try does not mend; the rest (refused for now, source not there, host away) may.
export function isFinal(problem) {
  if (problem.status === 401 || problem.status === 403 || problem.status === 404 || problem.status === 406) return true;
  return problem.status >= 400 && problem.status < 500 && ![408, 409, 425, 429].includes(problem.status);
}

// Seconds until try number `attempt` (0 is the first after a loss).
export function backoff(attempt, retryAfter) {
  const step = BACKOFF_S[Math.min(attempt, BACKOFF_S.length - 1)];
  return Math.min(30, Math.max(step, retryAfter ?? 0));
}

// After a refusal by the limits of the host: `ready`, seconds until somebody may ask again; `itself`, until the player
// does, null where waiting is no help. `chance` (0 to 1) spreads the players.
export function refusal(attempt, retryAfter, chance) {
  if (retryAfter === null) return { ready: 0, itself: null };
  return { ready: retryAfter, itself: Math.min(60, retryAfter + 3 + Math.min(attempt, 6) * 4 + chance * 3) };
}

// `facts`: {state: connectionState, sinceOpen, silent (seconds without a packet, null before the first), fps,
// lobby: state of the lobby or null, lobbyFor: seconds in that state, hostConnected, gone: the host ended this viewer}.
// Answers {act: "keep" | "wait" | "renew", why}.
export function judge(facts) {
  if (facts.gone) return { act: "renew", why: facts.gone };
  if (facts.state === "failed" || facts.state === "closed") return { act: "renew", why: "The connection failed." };
  if (facts.state !== "connected" && facts.state !== "disconnected") {
    return facts.sinceOpen > CONNECT_S
      ? { act: "renew", why: "No connection could be made." }
      : { act: "keep", why: null };
  }
  const limit = Math.max(SILENT_S, facts.fps ? 3 / facts.fps : 0);
  const silent = facts.silent ?? facts.sinceOpen - SILENT_S;
  if (silent < limit) return { act: "keep", why: null };
  // The lobby has no picture to send: the session is fine and gets the picture again when the lobby does.
  if (facts.hostConnected && facts.lobby !== "STREAMING") {
    return facts.state === "disconnected"
      ? { act: "renew", why: "The connection was lost." }
      : { act: "wait", why: "The lobby has no picture now." };
  }
  if (facts.hostConnected && facts.lobbyFor < RETURN_S) return { act: "wait", why: "The picture is about to return." };
  return { act: "renew", why: "No packets came any more." };
}
