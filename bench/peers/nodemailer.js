// nodemailer.js MODE PORT COUNT SIZE RECIPIENTS [CA-FILE] - Node's nodemailer.
//
// MODE and output as bench/README.md says.  Messages are given "raw": none is
// composed.  Nodemailer does not wait for the reply to QUIT.
'use strict';

const fs = require('fs');
const nodemailer = require('nodemailer');

const [mode, ...rest] = process.argv.slice(2);
const [port, count, size, recipients] = rest.slice(0, 4).map(Number);
const ca = rest[4] && fs.readFileSync(rest[4]);
const envelope = {
    from: 'sender@example.com',
    // Equal addresses would become one.
    to: Array.from({ length: recipients }, (_, i) => `recipient${i}@example.com`),
};

function body(octets) {
    const line = 'x'.repeat(70) + '\n';
    const text = line.repeat(Math.floor(octets / line.length));
    return Buffer.from(text + 'x'.repeat(octets - 1 - text.length) + '\n');
}

function transport(options) {
    return nodemailer.createTransport({
        host: '127.0.0.1', port, name: 'bench', ignoreTLS: true,
        tls: { ca, servername: 'localhost' }, ...options,
    });
}

async function measure(work) {
    const wall = process.hrtime.bigint(), cpu = process.cpuUsage();
    await work();
    const used = process.cpuUsage(cpu);
    const took = Number(process.hrtime.bigint() - wall) / 1000;
    console.log(`wall ${Math.round(took)} cpu ${used.user + used.system}`);
}

async function send(options, raw, messages) {
    const sender = transport(options);
    for (let i = 0; i < messages; i++)
        await sender.sendMail({ envelope, raw });
    return sender;
}

const MODES = {
    async keep() {
        const raw = body(size);
        const sender = await send({ pool: true, maxConnections: 1, maxMessages: Infinity }, raw, 1);
        await measure(async () => {
            for (let i = 0; i < count; i++)
                await sender.sendMail({ envelope, raw });
        });
        sender.close();
    },
    async each() {
        const raw = body(size);
        await measure(() => send({}, raw, count));
    },
    async login() {
        const once = () => transport({ ignoreTLS: false, requireTLS: true }).verify();
        await once();
        await measure(async () => {
            for (let i = 0; i < count; i++)
                await once();
        });
    },
    async tls() {
        const raw = body(size);
        await measure(() => send({ secure: true, ignoreTLS: false }, raw, 1));
    },
};

MODES[mode]().catch((error) => {
    console.error(error.message);
    process.exit(1);
});
