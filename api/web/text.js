// Every word that the application says, in one place, ready for translation.

export const VITALS = {
  heart_rate: { label: "Heart rate", unit: "/min", decimals: 0, range: [30, 200] },
  spo2: { label: "Oxygen saturation", unit: "%", decimals: 0, range: [70, 100] },
  respiratory_rate: { label: "Respiratory rate", unit: "/min", decimals: 0, range: [4, 40] },
  skin_temperature: { label: "Skin temperature", unit: "°C", decimals: 1, range: [20, 42] },
  body_temperature: { label: "Body temperature", unit: "°C", decimals: 1, range: [34, 42] },
  hrv_rmssd: { label: "HRV (RMSSD)", unit: "ms", decimals: 0, range: [0, 200] },
  hrv_sdnn: { label: "HRV (SDNN)", unit: "ms", decimals: 0, range: [0, 200] },
  motion: { label: "Motion", unit: "g", decimals: 2, range: [0, 1] },
  acceleration: { label: "Acceleration", unit: "g", decimals: 2, range: [0, 2] },
  steps: { label: "Steps", unit: "", decimals: 0, range: [0, 200] },
};
/** Vitals that a card shows, most telling first. */
export const CARD_VITALS = ["heart_rate", "spo2", "respiratory_rate", "skin_temperature"];

export const T = {
  name: "Pulsera",
  notDevice: "Pulsera is not a medical device. It does not replace a doctor, a nurse or an emergency call.",
  nav: { home: "Home", wearers: "Wearers", alerts: "Alerts", zones: "Zones", camera: "Camera" },
  skip: "Skip to content",
  link: {
    live: "live", connecting: "connecting", reconnecting: "reconnecting", offline: "offline",
    stale: (age) => `Not connected: what you see was true ${age}. Trying again by itself.`,
  },
  system: {
    alerts: "Alerts may come late.", other: "A part of the system has trouble.",
    part: (name, state, detail) => `${name} is ${state}${detail ? `: ${detail}` : "."}`,
  },
  priority: { high: "HIGH", medium: "MEDIUM", low: "LOW" },
  state: { well: "No alert", watch: "Watch", alert: "Alert", nodata: "No data", notworn: "Not worn" },
  response: {
    unseen: "Nobody has seen this yet", seen: "Seen", acknowledged: (who) => `${who} is on it`, resolved: (who) => `Resolved by ${who}`,
  },
  cleared: {
    recovered: "Back within limits", data_ended: "Data ended before it recovered", superseded: "Replaced by a newer one",
  },
  outcomeChoose: "Choose what it was",
  notFound: "There is no such page.",
  outcome: {
    person_well: "Person is well", helped: "Helped on site", called: "Called for help", false_alarm: "Nothing was wrong", device: "Device or sensor",
  },
  event: {
    onset: "Began", raised: "Alert raised", updated: "Updated", cleared: "Condition ended", seen: "Seen", acknowledged: "I am on it",
    resolved: "Resolved", refused: "Refused",
  },
  act: { acknowledge: "I am on it", resolve: "Resolve", cancel: "Cancel", why: "Evidence", hide: "Hide evidence", note: "Note (optional)", outcome: "What was it?" },
  resolveHelp: (title, who) => `This closes the alert “${title}” for ${who} for everyone. It does not change what is measured.`,
  kind: { sudden: "suddenly", gradual: "gradually" },
  rule: { floor: "a clinical limit, which alarms whatever is usual for the wearer", baseline: "the model: too far from what was expected of this wearer", "zone.count": "more wearers flagged than chance gives", "zone.shift": "everybody further off their usual than chance gives" },
  twoNights: "two nights running",
  sustained: "what held for 7 to 12 min at rest, or an average of 5 min",
  rates: (score) => `Its notices are promised at most ${Math.round(score.promised_rate * 100) / 100} a day${score.realised_rate == null ? "" : `, so far ${Math.round(score.realised_rate * 100) / 100} a day over ${Math.round(score.rate_days ?? 0)} days`}; what passes a clinical limit always alarms.`,
  unjudged: "It says nothing of the present minutes: too little is known yet, or the wearer moves. The clinical limits watch meanwhile.",
  score: {
    title: "Score of the model", threshold: "notice",
    newest: (score) => (score == null ? "not judged now" : `${(Math.round(Math.max(0, score) * 100) / 100).toFixed(2)} of 1`), none: "nothing was judged",
    help: "How far the vital signs are from what is expected, over minutes to nights: 1 is the threshold of a notice, kept for each wearer. An alert asks for more, and clinical limits alarm whatever the score.",
    open: "Not judged in this range:",
    why: { notWorn: "not worn", nothing: "no vital sign measured", moving: "moving", doubted: "values not believed, or just moved", unknown: "too little known yet", heartUnknown: "the heart rate (too little known yet)" },
  },
  someone: "a wearer",
  model: (name) => `Judged by ${name}.`,
  mark: { injected: "injected", simulated: "simulated", replay: "recording" },
  signIn: {
    title: "Sign in", token: "Access token", go: "Sign in", busy: "Signing in",
    help: "Open the one-time link that `pulsera up` printed, or paste an access token.", used: "This link was used or is too old. Ask for a new one, or paste a token.",
  },
  empty: {
    wearers: "No wearer yet. Make one and a device, then send a reading:",
    noAlerts: "No open alerts.", noHistory: "No alerts yet.", noReadings: "Nothing was measured in this range.",
    forbidden: "You have no grant for this.",
  },
  episodesAlone: "Episodes without an alert", tier: { 1: "Notice", 2: "Alert", 3: "Clinical limit" },
  alertsOpen: "Open", alertsHistory: "History", wearers: "Wearers", signOut: "Sign out", devices: "Devices", episodes: "Episodes",
  range: { 600: "10 min", 1800: "30 min", 3600: "1 h", 10800: "3 h", 86400: "24 h" },
  legend: { measured: "measured", injected: "injected", band: "what is usual (± 2 spreads)", episode: "episode", score: "score", gap: "a gap is a gap: nothing was measured" },
  keys: "Keys: j and k move between alerts, a answers “I am on it”, ? shows this.",
  truncated: "Only the newest part of this range is drawn.",
  failed: (what) => `That did not work: ${what}`,
  pending: "Sent. Not recorded yet; it will show here when it is.",
};

/** Say a probability; nothing is certain. */
const surely = (share) => (share > 0.99 ? "over 99 %" : `${Math.round(share * 100)} %`);

/** What the camera page says. */
export const CAMERA = {
  title: "Pulse by camera",
  lead: "Each heartbeat changes the colour of the face a little. A camera sees it, if the face is still and well lit.",
  useTitle: "Use this browser as a camera",
  wearer: "Whose face is it?", choose: "Choose a wearer",
  device: "A device is made for this wearer and removed again when you stop. Its token stays in this page's memory.",
  paste: "Device token", pasteHelp: "A carer may not make devices. Ask an admin for the token of a device of the wearer (POST /wearers/ID/devices); it stays in this page's memory.",
  pasteInstead: "Use a device that exists already", makeInstead: "Make a device",
  which: "Camera", anyCamera: "The browser's choice", unnamed: (n) => `Camera ${n}`,
  start: "Start the camera", stop: "Stop",
  leaves: {
    title: "What leaves this browser",
    colours: (where) => `Numbers only, twice a second, to ${where}: for each frame the mean colour of the skin inside the oval and of what is behind you, how much of it is too bright or dark, how fast you move. No picture leaves this browser.`,
    pictures: (where) => `Pictures of your face, every frame as a JPEG, to ${where}. Pulsera keeps them for about 10 minutes, then they are gone.`,
    kept: "What Pulsera finds (heart rate, breathing, variability, each with its confidence) is kept with the wearer's other readings and judged as they are.",
    switch: "Send pictures instead of colours",
    switchHelp: "The server then finds the face by itself, and more of it is used.",
  },
  fit: "Fit your face into the oval",
  noFace: "No skin is seen inside the oval.",
  preview: "What the camera sees, mirrored, with an oval for the face",
  wave: "Pulse wave of the last 10 seconds", noWave: "The wave is drawn as soon as there is one.",
  rate: "Heart rate", confidence: (share) => `${surely(share)} sure to be within 5 beats a minute`,
  none: "No heart rate", low: "uncertain",
  breathing: (rate) => `Breathing ${Math.round(rate)} /min`,
  secondsLeft: (seconds) => `At the soonest in ${Math.ceil(seconds)} s.`,
  said: (rate, share) => `Heart rate ${Math.round(rate)} a minute, ${surely(share)} sure.`,
  stale: "Nothing new came for some seconds.",
  line: { connecting: "connecting to Pulsera", open: "connected", reconnecting: "the connection is lost. Trying again by itself; what was not sent yet waits for half a minute." },
  shed: "The line is too slow or Pulsera too busy: some frames were left out.",
  refusedPart: (why) => `Pulsera did not take a part of it: ${why}`,
  stopped: "Stopped. The camera is off.",
  leftover: (why) => `The camera is off, but its device could not be removed: ${why}. This browser removes it when a camera is next started here; an admin can remove it before (DELETE /devices/ID).`,
  reason: {
    ok: "Steady.", low_confidence: "There is one, but it does not stand out clearly.", warming_up: "Watching. A first value needs about ten seconds.",
    too_short: "Too little was seen.", no_frames: "No frames arrive.", bad_times: "The camera's times are not in order.", low_fps: "The camera gives too few frames a second.",
    gap: "Frames are missing.", unreadable: "The pictures could not be measured.", no_face: "No face is seen.", two_faces: "There is more than one face.", low_light: "It is too dark.", saturated: "Part of the face is too bright.",
    light_changes: "The light keeps changing.", motion: "There is too much movement.", no_signal: "The colour does not change at all: a still picture, or a frozen camera.",
    out_of_band: "What beats there is slower than 40 or faster than 200 a minute.", flicker: "The same rhythm is in the background: it is the light's, not the heart's.",
    unsteady: "What is seen does not agree with itself.", low_snr: "No pulse stands out from the noise.",
  },
  advice: {
    none: "", wait: "Stay as you are.", hold_still: "Hold still and do not speak; rest the head if you can.", more_light: "Turn on a light in front of you, or face a window.",
    less_light: "Less light on the face: move away from the lamp or the window.", steady_light: "Use a light that does not flicker, daylight is best.",
    face_the_camera: "Face the camera, with the face inside the oval.", one_person: "Only one person in front of the camera.",
  },
  error: {
    refused: "The camera may not be used. Allow it for this page (the camera sign in the address bar), then start again.",
    none: "No camera was found. Plug one in, or choose another, then start again.",
    busy: "The camera is in use by another program, or does not answer. Close the other program, then start again.",
    broken: "The camera cannot be opened. Unplug it and plug it in again, or use another browser.",
    insecure: "A browser gives a page the camera only over HTTPS, or on this very computer (http://localhost). Open Pulsera by such an address.",
    old: "This browser cannot look at a camera frame by frame. Use a newer one.",
    ended: "The camera went away: unplugged, or taken by another program. Start again when it is back.",
    unknownDoor: "This server does not say where devices connect to. Ask its operator for PULSERA_GATEWAY_URL.",
    gateway: (where) => `Pulsera's gateway is down, so that ${where} cannot be reached. Start again when it is well.`,
    token: (where) => `The connection to ${where} was refused: the token is not one of a device or was revoked, or this browser cannot reach that address. Check the token, and ask the operator whether that port is open to you.`,
    4400: "Pulsera did not understand this page twice. Load the page anew; if it stays, tell the operator.",
    4401: "The device's token was revoked. Start again, or ask an admin for another.",
    4409: "Another connection of the same device took over. Stop it there, then start again here.",
    4413: "A message was too big. Send colours instead of pictures.",
  },
};

/** What is said of zones. */
export const ZONES = {
  title: "Zones",
  lead: "Is there a place where more wearers than expected are in distress? Measured against what chance gives; nobody is named, and no small number is told.",
  area: "Whole area",
  level: { usual: "Usual", elevated: "Elevated", warning: "Warning", critical: "Critical", too_few_wearers: "Too few wearers", none: "Not known", old: "Out of date" },
  levelHelp: {
    usual: "No more than chance gives often. That is not the same as safe.",
    elevated: "Chance alone gives this at most once a month.",
    warning: "Chance alone gives this at most once a quarter.",
    critical: "Chance alone gives this at most once a year.",
    too_few_wearers: "Too few wearers report here to see an event. Nothing is known, neither good nor bad.",
    none: "Nothing is told of this zone.",
  },
  legend: "What the patterns mean",
  shape: (name, level) => `${name}: ${level}`,
  cell: (place) => `Cell at ${place}`,
  place: (latitude, longitude) => `${Math.abs(latitude).toFixed(2)}° ${latitude < 0 ? "S" : "N"}, ${Math.abs(longitude).toFixed(2)}° ${longitude < 0 ? "W" : "E"}`,
  longitude: (degrees, decimals) => `${Math.abs(degrees).toFixed(decimals)}° ${degrees < 0 ? "W" : degrees > 0 ? "E" : ""}`.trim(),
  latitude: (degrees, decimals) => `${Math.abs(degrees).toFixed(decimals)}° ${degrees < 0 ? "S" : degrees > 0 ? "N" : ""}`.trim(),
  map: {
    label: "Map of the zones. Arrow keys move between them, Enter opens one. The list tells the same.",
    none: "There is no outline to draw yet.", zoomIn: "Zoom in", zoomOut: "Zoom out", whole: "Show all",
    failed: "The map could not be loaded; the list tells the same.", by: (attribution) => `Map pictures: ${attribution}`,
  },
  view: { label: "On the map", zones: "Named zones", area: "Whole area" },
  list: {
    title: "How the zones stand", zone: "Zone", level: "Level", known: "Known", cells: (n) => `Cells of the whole area (${n})`, cell: "Cell", active: "Wearers", flagged: "Flagged",
    hidden: "not told", least: (n) => `${n}+`, more: (n) => `Show ${n} more`,
  },
  state: { delayed: "delayed", starting: "starting", unshared: "not shared with you" },
  delayed: "Delayed: the scores of some wearers have not arrived. What you see may lack them.",
  since: (when) => `since ${when}`,
  old: (when) => `Nothing newer than ${when} is known. It may be otherwise by now.`,
  bin: (from, to) => `${from} to ${to}`,
  card: {
    choose: "Choose a zone in the list or on the map.", close: "Close", chance: "By chance", window: "Window", test: "What was seen", labels: "Likely cause", possible: "Possible cause", coverage: "Wearers behind it",
    smallest: "Smallest event it can see", episodes: "Active episodes", known: "Five minutes known", version: "Outline", versionOf: (n) => `version ${n}`,
    active: "Wearers who report", flagged: "Of these flagged", hidden: "not told, so that nobody is given away", region: "Cells concerned", alerts: "Open alerts",
    minutes: (n) => `${n} min`, none: "none", least: (n) => `${n} or more`,
    cellHelp: "One cell of a partition that never changes with what is seen. Counts are told as steps, and never where they could give somebody away.",
  },
  test: { count: "More wearers flagged than expected", shift: "Everybody a little off, all in the same direction" },
  label: {
    activity: "exertion: those who move, or did for long just now, account for it", firmware: "one firmware or device model behind most of it",
    backfill: "a burst of late data", clock_change: "a change of the clocks",
  },
  possible: {
    activity: "most of it is of those who move, or did for long just now", firmware: "most of it is of one firmware or device model; others here are spared",
    backfill: "much data came late", clock_change: "the clocks changed within a day",
  },
  unshown: "Not shown to be the cause.",
  causes: (name, found) => (name === "possible" ? `${found.map((one) => ZONES.possible[one] ?? one).join("; ")}. ${ZONES.unshown}` : found.map((one) => ZONES.label[one] ?? one).join("; ")),
  recurrence: { 1: "about once a day", 7: "about once a week", 30: "about once a month", 91: "about once a quarter", 365: "about once a year", 3650: "less than once in ten years" },
  coverage: { too_few: "too few (under 22)", thin: "thin (22 to 49)", fair: "fair (50 to 199)", good: "good (200 or more)" },
  smallest: (share) => (share == null ? "none: it is blind, whatever happens" : `${Math.round(share * 100)} % of its wearers flagged at once`),
  past: {
    title: "Look back", label: "Moment shown", live: "Now", range: { 3: "3 h", 24: "24 h", 72: "3 d" }, rangeLabel: "How far back", earlier: "5 minutes earlier", later: "5 minutes later",
    back: "Back to live", banner: (when) => `You see the past: ${when}.`, strip: (name) => `Level of ${name}`, loading: "Loading the past", nothing: "Nothing was told of any zone at that time.", said: (when, level) => (level ? `${when}, ${level}` : when),
  },
  empty: {
    unshared: "No zone is shared with you. Ask an administrator to share one, or the whole area.",
    unsharedAdmin: "No zone is shared with you. Administrators see none by themselves either: make a zone below, or share the whole area with yourself.",
    noPlace: "Too few wearers tell a place yet, or none: a zone is told of from 22 on who are judged. A device sends `location` after it connects; the gateway keeps the cell of some 0.7 km² and forgets the coordinates. What it makes of them shows here by itself.",
    starting: "The first five minutes have not ended yet. A zone is told some minutes after each five minutes of the clock; this page shows it by itself.",
  },
  summary: (n, level) => `${n} ${level}`,
  alert: (name) => `Zone ${name}`,
  onMap: "Show on the map",
  admin: {
    title: "Make and share zones", makeTitle: "Make a zone", name: "Name", geojson: "Outline as GeoJSON (Polygon, MultiPolygon or Feature)", pick: "Or choose cells on the map", choose: "Choose cells", picking: (n, going) => (going ? `${n} chosen: done` : `${n} chosen: change`),
    pickHelp: "Switches the map to the whole area; a click takes a cell in or out.", make: "Make the zone", made: (name) => `Made: ${name}. Share it with somebody below.`, notJson: "The outline is not JSON. Paste it whole.", needOutline: "Paste an outline, or choose cells.",
    shareTitle: "Share a zone", zone: "Zone", person: "Person's user id", mine: "Share with me", scopes: "They may", scope: { status: "see how it stands", alerts: "get its alerts", act: "answer its alerts" },
    share: "Share", shared: (zone) => `Shared: ${zone}.`, needScope: "Choose what they may do.", needPerson: "Paste the person's user id, or share with yourself.",
  },
};

/** What an alert of a zone rests on, in the words of the zones page. */
const ZONE_EVIDENCE = {
  recurrence_days: (days) => ZONES.recurrence[days] ?? `once in ${days} days`,
  window_min: ZONES.card.minutes,
  labels: (found) => ZONES.causes("labels", found),
  possible: (found) => ZONES.causes("possible", found),
  coverage: (value) => ZONES.coverage[value] ?? value,
  region: (cells) => String(cells.length),
};

/** Of a heart rate what lasts decides, or an average where it is measured rarely: see docs/topics.md. */
const SUSTAINED_S = 600;

const EVIDENCE = [
  ["observed", "Observed"], ["extreme", "Furthest"], ["expected", "Expected"], ["baseline", "Own resting value"], ["threshold", "Limit"], ["z", "Standard deviations off"],
  ["rule", "Decided by"], ["time_scale_s", "Judged over"], ["kind", "Came"], ["duration_s", "Lasted"], ["parts", "Towards illness, in standard deviations"], ["context", "Context"],
  ["data_quality", "Data quality"], ["quality_note", "About the quality"], ["sources", "Measured by"], ["bins", "Bins that agree"],
  ["baseline_age_s", "Rest behind the usual value"], ["gap_s", "Silence"], ["clock_offset_ms", "Clock offset"], ["promised_rate", "Notices promised at most"], ["realised_rate", "Notices so far"], ["rate_days", "Counted over"],
  ["recurrence_days", "By chance alone"], ["window_min", "Window"], ["labels", "Likely cause"], ["possible", "Possible cause"], ["coverage", "Wearers behind it"], ["region", "Cells concerned"],
  ["model", "Model"], ["expected_by", "Expected by"], ["origin", "Origin"],
];

/** Turn an alert's evidence into rows of [label, text]; what is absent is not shown as normal. */
export function evidenceRows(evidence) {
  const unit = VITALS[evidence.vital]?.unit ?? evidence.unit ?? "";
  const number = (v) => (Number.isFinite(v) ? String(Math.round(v * 10) / 10) : String(v));
  const rows = [];
  for (const [key, label] of EVIDENCE) {
    const value = evidence[key];
    if (value === undefined || value === null || value === "" || (Array.isArray(value) && !value.length)) continue;
    // The floor has no version: what decided is said already.
    if (key === "model" && evidence.rule === "floor") continue;
    let text;
    if (key === "expected") text = expectedText(evidence, number, unit);
    else if (["observed", "extreme", "baseline"].includes(key)) text = `${number(value)} ${unit}`;
    else if (key === "threshold") text = `${number(value)} ${evidence.threshold_unit === "z" ? "standard deviations" : unit}`;
    else if (key === "rule") text = T.rule[value] ?? String(value);
    else if (key in ZONE_EVIDENCE) text = ZONE_EVIDENCE[key](value);
    else if (key.endsWith("_rate")) text = `${Math.round(value * 100) / 100} a day`;
    else if (key === "rate_days") text = `${number(value)} days`;
    else if (key === "kind") text = T.kind[value] ?? String(value);
    else if (key === "time_scale_s" && value > 86_400) text = T.twoNights;
    else if (key === "time_scale_s" && value === SUSTAINED_S) text = T.sustained;
    else if (key === "parts") text = Object.entries(value).map(([vital, off]) => `${VITALS[vital]?.label ?? vital} ${number(off)}`).join(", ");
    else if (key.endsWith("_s")) text = span(value);
    else if (key === "clock_offset_ms") text = span(Math.abs(value) / 1000) + (value < 0 ? " ahead" : " behind");
    else if (Array.isArray(value)) text = value.join(", ");
    else text = typeof value === "number" ? number(value) : String(value);
    rows.push([label, text]);
  }
  return rows;
}

/** Say what was expected: the range of two spreads where the spread is known. */
function expectedText({ expected, scale }, number, unit) {
  if (scale == null) return `${number(expected)} ${unit}`;
  return `${number(expected - 2 * scale)} to ${number(expected + 2 * scale)} ${unit} (around ${number(expected)})`;
}

/** Say a length of time: "4 s", "2 min 05 s", "3 h 10 min". */
export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return s % 60 ? `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, "0")} s` : `${s / 60} min`;
  return `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, "0")} min`;
}

/** Say how old something is: relative under an hour, clock time after, in the wearer's zone. */
export function age(atMs, nowMs, timezone) {
  const seconds = (nowMs - atMs) / 1000;
  if (seconds < 1) return "now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  return `since ${clock(atMs, timezone, nowMs)}`;
}

/** Say a time of day in a zone, with the zone's name where it is not the viewer's, and the date when it is not today. */
export function clock(atMs, timezone, nowMs = Date.now()) {
  const zone = timezone || undefined;
  const foreign = offset(atMs, zone) !== offset(atMs, undefined);
  const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: zone, ...(foreign ? { timeZoneName: "short" } : {}) }).format(atMs);
  const day = (ms) => new Intl.DateTimeFormat("en-CA", { timeZone: zone }).format(ms);
  return day(atMs) === day(nowMs) ? time : `${day(atMs)} ${time}`;
}

const offset = (atMs, zone) => new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" }).formatToParts(atMs).find((part) => part.type === "timeZoneName").value;
