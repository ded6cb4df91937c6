// The peer: complaint intake as it is usually written. Node, fastify with its schema validation, pg with a pool; a complaint and
// its event in one transaction. It has no clocks, routing, idempotency records, sealed callers or feeds: less work than ours.
// Environment: DATABASE_URL. Prints its port, then serves until it is ended.
import { randomUUID } from 'node:crypto';
import Fastify from 'fastify';
import pg from 'pg';

const POOL_SIZE = 20;
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: POOL_SIZE });
const app = Fastify({ logger: false });

const text = (maxLength) => ({ type: 'string', minLength: 1, maxLength });
const complaint = {
  type: 'object',
  additionalProperties: false,
  required: ['source', 'external_id', 'channel', 'type', 'title', 'text', 'division'],
  properties: {
    source: text(64),
    external_id: text(128),
    channel: { enum: ['phone', 'web', 'letter', 'sms', 'app', 'wechat', 'weibo', 'visit', 'superior', 'open311', 'media'] },
    type: { enum: ['consultation', 'help', 'complaint', 'report', 'suggestion', 'praise', 'other'] },
    urgency: { enum: ['normal', 'urgent', 'critical'], default: 'normal' },
    category: { type: 'string', maxLength: 64, default: 'other' },
    title: text(512),
    text: text(65536),
    division: { type: 'string', pattern: '^[0-9]{2,12}$' },
    caller: {
      type: 'object',
      properties: {
        name: { type: 'string', maxLength: 128 },
        phone: { type: 'string', maxLength: 32 },
        confidential: { type: 'boolean' },
        wants_reply: { type: 'boolean' },
      },
    },
  },
};

const INSERT_COMPLAINT = {
  name: 'complaint',
  text: `INSERT INTO complaint (id, order_no, source, external_id, channel, type, urgency, category, title, body, division,
         caller, received_at, filed_at, state, version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, 'dispatched', 1)`,
};
const INSERT_EVENT = {
  name: 'event',
  text: 'INSERT INTO event (time, event_id, type, subject, division, data) VALUES ($1, $2, $3, $4, $5, $6)',
};

app.post('/v1/complaints', { schema: { body: complaint } }, async (request, reply) => {
  const body = request.body;
  const id = randomUUID();
  const orderNo = `GD${id.slice(0, 8)}`;
  const now = new Date();
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query({
      ...INSERT_COMPLAINT,
      values: [id, orderNo, body.source, body.external_id, body.channel, body.type, body.urgency, body.category, body.title,
        body.text, body.division, body.caller ?? null, now],
    });
    await client.query({
      ...INSERT_EVENT,
      values: [now, randomUUID(), 'complaint.filed.v1', id, body.division, { channel: body.channel, type: body.type }],
    });
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
  reply.code(201);
  return { id, order_no: orderNo, state: 'dispatched', version: '1', ...body };
});

process.on('SIGTERM', async () => {
  await app.close();
  await pool.end();
});
await app.listen({ host: '127.0.0.1', port: 0 });
process.stdout.write(`${app.server.address().port}\n`);
