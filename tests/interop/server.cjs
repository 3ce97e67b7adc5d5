/* RxDB's own server, to test against: rxdb-server on RxDB 17, in memory, on a port of its choice.
 *
 *     node server.cjs '{"token":"secret"}'     -> listening http://127.0.0.1:40123
 *
 * rxdb-server 15 was written for an older RxDB: both must be loaded by require(), and the database
 * needs the onDestroy list that RxDB 17 renamed.  Each request is a line on standard output.  It ends
 * when its standard input does. */
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const { createRxDatabase } = require('rxdb/plugins/core');
const { getRxStorageMemory } = require('rxdb/plugins/storage-memory');
const { createRxServer } = require('rxdb-server/plugins/server');
const { RxServerAdapterExpress, HTTP_SERVER_BY_EXPRESS } =
    require('rxdb-server/plugins/adapter-express');

const options = JSON.parse(process.argv[2] ?? '{}');

function authHandler(headers) {
    if (options.token && headers.authorization !== 'Bearer ' + options.token)
        throw new Error('who is this?');
    return { validUntil: Date.now() + 3600 * 1000, data: {} };
}

async function main() {
    const database = await createRxDatabase({ name: 'server', storage: getRxStorageMemory(),
                                              multiInstance: false });
    database.onDestroy = [];
    const schema = JSON.parse(readFileSync(join(__dirname, 'schema.json')));
    const { cities } = await database.addCollections({ cities: { schema } });
    const server = await createRxServer({ database, adapter: RxServerAdapterExpress, authHandler,
                                          hostname: '127.0.0.1', port: 0 });

    server.addReplicationEndpoint({ name: 'cities', collection: cities });
    await server.start();
    const http = HTTP_SERVER_BY_EXPRESS.get(server.serverApp);
    http.prependListener('request', ({ method, url }) => process.stdout.write(`${method} ${url}\n`));
    process.stdout.write(`listening http://127.0.0.1:${http.address().port}\n`);
    process.stdin.resume().on('end', () => process.exit(0));
}

main().catch((error) => {
    process.stderr.write(error.stack + '\n');
    process.exit(1);
});
