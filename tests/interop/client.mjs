/* A stock RxDB client that a test steers.
 *
 *     node client.mjs '{"url":"http://host:port/cities/0","name":"a","batch":100,"handler":"merge"}'
 *
 * One JSON object per line comes in, {"call":n,"do":"insert",...}; one goes out for each,
 * {"call":n,"ok":result} or {"call":n,"error":"..."}.  The replication handlers are those of RxDB's
 * guide to HTTP replication, with `lwt` for `updatedAt`; what is added is a switch for the network,
 * and the token. */
import { createInterface } from 'node:readline';
import { readFileSync } from 'node:fs';
import { BehaviorSubject, firstValueFrom, filter, Subject, timeout } from 'rxjs';
import EventSource from 'eventsource';
import { createRxDatabase, deepEqual } from 'rxdb/plugins/core';
import { replicateRxCollection } from 'rxdb/plugins/replication';
import { getRxStorageMemory } from 'rxdb/plugins/storage-memory';

const options = JSON.parse(process.argv[2]);
const headers = { Accept: 'application/json', 'Content-Type': 'application/json' };
if (options.token)
    headers.Authorization = 'Bearer ' + options.token;

/* ---- what the client has seen ------------------------------------------------------- */

const conflicts = []; // what the handler was asked, and what it said
const errors = [];
const counts = { pulls: 0, pushes: 0, rows: 0, largestPage: 0 };

let visits = []; // of the documents that are watched together, at each change of one

/* ---- conflict handlers -------------------------------------------------------------- */

/* Counters add up, tags unite, of everything else the local state wins. */
function merge({ assumedMasterState: assumed, realMasterState: real, newDocumentState: local }) {
    if (real._deleted || local._deleted)
        return real;
    const result = { ...real, ...local };
    result.visits = real.visits + local.visits - (assumed ? assumed.visits : 0);
    result.tags = [...new Set([...(real.tags ?? []), ...(local.tags ?? [])])].sort();
    return result;
}

const resolvers = {
    merge,
    'client-wins': ({ newDocumentState }) => newDocumentState,
    'server-wins': ({ realMasterState }) => realMasterState,
};

function handler(name) {
    const resolve = resolvers[name];
    if (!resolve)
        return undefined;
    return {
        isEqual: (a, b) => deepEqual(a, b),
        resolve(states) {
            const result = resolve(states);
            conflicts.push({ assumed: states.assumedMasterState, real: states.realMasterState,
                             local: states.newDocumentState, result });
            return result;
        },
    };
}

/* ---- the network, which a test can take away ---------------------------------------- */

let online = true;
let eventSource = null;
const opened$ = new BehaviorSubject(0); // how often the stream was opened
const pullStream$ = new Subject();

async function request(url, init) {
    if (!online)
        throw new TypeError('fetch failed: the test took the network away');
    return fetch(url, init);
}

function openStream() {
    eventSource = new EventSource(options.url + '/pullStream', { headers });
    eventSource.onmessage = (event) => {
        const data = JSON.parse(event.data);
        pullStream$.next(data === 'RESYNC' ? data
            : { documents: data.documents, checkpoint: data.checkpoint });
    };
    eventSource.onopen = () => opened$.next(opened$.value + 1);
    eventSource.onerror = () => pullStream$.next('RESYNC');
}

/* ---- the database and its replication ----------------------------------------------- */

const database = await createRxDatabase({ name: options.name, storage: getRxStorageMemory(),
                                          multiInstance: false });
const schema = JSON.parse(readFileSync(new URL('schema.json', import.meta.url)));
const { cities } = await database.addCollections({
    cities: { schema, conflictHandler: handler(options.handler) },
});

const replication = replicateRxCollection({
    collection: cities,
    replicationIdentifier: 'cities-' + options.url,
    live: true,
    retryTime: 100,
    push: {
        batchSize: options.batch ?? 100,
        async handler(changeRows) {
            const response = await request(options.url + '/push', {
                method: 'POST', headers, body: JSON.stringify(changeRows),
            });
            if (!response.ok)
                throw new Error('push: ' + response.status);
            counts.pushes++;
            counts.rows += changeRows.length;
            return response.json();
        },
    },
    pull: {
        batchSize: options.batch ?? 100,
        async handler(checkpoint, batchSize) {
            const lwt = checkpoint ? checkpoint.lwt : 0;
            const id = checkpoint ? checkpoint.id : '';
            const response = await request(
                options.url + `/pull?lwt=${lwt}&id=${id}&limit=${batchSize}`, { headers });
            if (!response.ok)
                throw new Error('pull: ' + response.status);
            const data = await response.json();
            counts.pulls++;
            counts.largestPage = Math.max(counts.largestPage, data.documents.length);
            return { documents: data.documents, checkpoint: data.checkpoint };
        },
        stream$: pullStream$.asObservable(),
    },
});
/* How RxDB words what a handler threw: its parameters hold the plain errors. */
function wording(error) {
    const inner = error.parameters?.errors ?? (error.parameters?.error ? [error.parameters.error] : []);
    return [error.message, ...inner.map((e) => e.message)].join(' | ').replaceAll('\n', ' ');
}
replication.error$.subscribe((error) => errors.push(wording(error)));
openStream();

/* ---- commands ----------------------------------------------------------------------- */

const within = (ms) => timeout({ first: ms ?? 30000 });
const plain = (doc) => doc && doc.toJSON();

function matches(doc, match) {
    if (match === null || doc === null)
        return match === doc;
    return Object.entries(match).every(([name, value]) => deepEqual(doc[name], value));
}

async function find(id) {
    const doc = await cities.findOne(id).exec();
    if (!doc)
        throw new Error('no document ' + id);
    return doc;
}

const commands = {
    insert: async ({ doc }) => plain(await cities.insert(doc)),
    async bulk({ docs }) {
        const { error } = await cities.bulkInsert(docs);
        if (error.length)
            throw new Error(error.length + ' of ' + docs.length + ' were not inserted');
        return docs.length;
    },
    patch: async ({ id, fields }) => plain(await (await find(id)).incrementalPatch(fields)),
    remove: async ({ id }) => plain(await (await find(id)).remove()),
    get: async ({ id }) => plain(await cities.findOne(id).exec()),
    dump: async () => (await cities.find({ sort: [{ id: 'asc' }] }).exec()).map(plain),
    count: () => cities.count().exec(),
    /* Until the document looks like this (null: is gone). */
    wait: async ({ id, match, ms }) => plain(await firstValueFrom(
        cities.findOne(id).$.pipe(filter((doc) => matches(plain(doc), match)), within(ms)))),
    waitCount: ({ count, ms }) => firstValueFrom(
        cities.count().$.pipe(filter((is) => is === count), within(ms))),
    /* Until the stream has been opened so often. */
    opened: ({ count, ms }) => firstValueFrom(
        opened$.pipe(filter((is) => is >= count), within(ms))),
    async sync({ ms }) {
        await replication.awaitInitialReplication();
        let timer;
        const late = new Promise((_, reject) => {
            timer = setTimeout(() => reject(new Error('not in sync in time')), ms ?? 30000);
        });
        await Promise.race([replication.awaitInSync(), late]);
        clearTimeout(timer);
        return true;
    },
    offline() {
        online = false;
        eventSource.close();
        return true;
    },
    async online() {
        const before = opened$.value;
        online = true;
        openStream();
        await firstValueFrom(opened$.pipe(filter((is) => is > before), within()));
        replication.reSync(); // behind the stream: what is between the two would be missed
        return true;
    },
    resync() {
        replication.reSync();
        return true;
    },
    async together({ ids }) {
        const query = cities.find({ selector: { id: { $in: ids } }, sort: [{ id: 'asc' }] });
        query.$.subscribe((docs) => visits.push(docs.map((doc) => doc.visits)));
        await query.exec();
        return true;
    },
    seen: () => ({ conflicts, errors, counts, visits }),
};

function answer(message) {
    process.stdout.write(JSON.stringify(message) + '\n');
}

async function run(line) {
    const message = JSON.parse(line);
    try {
        if (!Object.hasOwn(commands, message.do))
            throw new Error('no command ' + message.do);
        answer({ call: message.call, ok: (await commands[message.do](message)) ?? null });
    } catch (error) {
        answer({ call: message.call, error: wording(error) });
    }
}

createInterface({ input: process.stdin }).on('line', run).on('close', () => process.exit(0));
answer({ ready: true });
