// One meeting's life, as the vendor's own client asks for it: node meeting.mjs <package> <JSON of `receiver sandbox`>.
// Prints what the client made of each answer, for the test to judge.

const [, , packageName, description] = process.argv;
const platform = JSON.parse(description);
const { default: ConnectyCube } = await import(packageName);

const user = { login: platform.user_login, password: platform.user_password };
const told = { relogins: 0 };

function logInAgain(_giveUp, retry) {
  told.relogins += 1;
  ConnectyCube.createSession(user).then(retry);
}

ConnectyCube.init(
  { appId: platform.app_id, authKey: platform.auth_key, authSecret: platform.auth_secret },
  {
    endpoints: { api: new URL(platform.url).host, api_url: platform.url },
    debug: { mode: 0 },
    on: { sessionExpired: logInAgain },
  },
);
const { getUrl } = ConnectyCube.utils;
ConnectyCube.utils.getUrl = (...parts) => getUrl(...parts).replace("https:", "http:"); // all that release 3 knows

async function control(path, body) {
  const answer = await fetch(`${platform.control_url}${path}`, { method: "POST", body: JSON.stringify(body ?? {}) });
  return answer.json();
}

const refused = (promise) => promise.then(() => "not refused", (error) => error);
const { meeting } = ConnectyCube;

told.session = await ConnectyCube.createSession(user);
told.shown = await ConnectyCube.getSession();

const start = Date.now();
told.nameless = await meeting.create();
told.made = await meeting.create({
  name: "Friday weekly sync",
  start_date: start,
  end_date: start + 3_600_000,
  attendees: [{ id: told.session.user_id }, { email: "sam@example.com" }],
  scheduled: true,
});
const id = told.made._id;
const both = [told.nameless._id, id];
told.found = await meeting.get({ _id: id });
told.listed = await meeting.get();
told.filtered = await meeting.get({ start_date: { gte: start }, scheduled: true });
told.as_list = await meeting.get({ _id: both }); // _id[]=…&_id[]=…
told.joined = await meeting.get({ created_at: { gt: "2021-02-19T10:26:49.013Z" }, _id: both }); // _id=…,…

told.started = await meeting.update(id, { record: true });
told.stopped = await meeting.update(id, { record: false });
told.too_early = await meeting.getRecordings(id);
told.ended = await control(`/meetings/${id}/end`, { size_bytes: 100_000 });
told.recordings = await meeting.getRecordings(id);

await control("/faults", { on: "api", kind: "session_expired", times: 1 });
told.after_relogin = await meeting.get({ _id: id });
await control("/faults", { on: "api", kind: "status", status: 200, body: "", times: 1 });
told.empty_answer = await refused(meeting.get());

told.deleted = await meeting.delete(id);
told.missing = await refused(meeting.get({ _id: id }));
told.not_updated = await refused(meeting.update(told.nameless._id, { end_date: null }));

told.logged_out = await ConnectyCube.logout();
told.without_user = await refused(meeting.get());
told.logged_in = await ConnectyCube.login(user);
told.left = await meeting.get();
told.destroyed = (await ConnectyCube.destroySession()) ?? null;
told.guest = await ConnectyCube.createSession({ guest: "1", full_name: "Olof Shodger" });

console.log(JSON.stringify(told));
