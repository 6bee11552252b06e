// A provider of OpenID Connect for one client; prints its issuer.
'use strict';

const { generateKeyPairSync } = require('crypto');
const http = require('http');
const { pathToFileURL } = require('url');

const [redirect, alg] = process.argv.slice(2);

const KINDS = {
  RS256: ['rsa', { modulusLength: 2048 }],
  PS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
  EdDSA: ['ed25519', {}],
};

async function main() {
  const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));
  const { privateKey } = generateKeyPairSync(...KINDS[alg]);
  const key = { ...privateKey.export({ format: 'jwk' }), kid: 'k1', use: 'sig', alg };
  const server = http.createServer();
  await new Promise((listening) => server.listen(0, 'localhost', listening));
  const issuer = `http://localhost:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'app',
        client_secret: 'a secret: +/ of the client',
        redirect_uris: [redirect],
        id_token_signed_response_alg: alg,
      },
    ],
    cookies: { keys: ['a key of the cookies'] },
    enabledJWA: { idTokenSigningAlgValues: Object.keys(KINDS) },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    jwks: { keys: [key] },
    pkce: { required: () => true },
  });
  for (const event of ['server_error', 'grant.error', 'authorization.error']) {
    provider.on(event, (_, error) => console.error(event, error));
  }
  server.on('request', provider.callback());
  console.log(issuer);
}

// Where the tests are gone, so is the provider.
console.warn = () => {};
console.info = () => {};
main().catch((error) => {
  console.error(error);
  process.exit(1);
});
