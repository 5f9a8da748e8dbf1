// A real OpenID provider (npm oidc-provider) for the tests beside it: one public client, one confidential one, and a login
// page that believes everybody. Says where it is on its first line. Run in the folder where the package is installed.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(process.cwd() + "/");
const { default: Provider } = await import(pathToFileURL(require.resolve("oidc-provider")).href);

const AUDIENCE = "artstore-clients";
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const groups = { maria: ["/operators"], petr: ["/accounting"] };

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), kid: "provider-1", use: "sig", alg: "RS256" }] },
    cookies: { keys: ["only for tests"] },
    clients: [
      {
        client_id: AUDIENCE,
        token_endpoint_auth_method: "none",
        redirect_uris: ["http://127.0.0.1/callback"],
        application_type: "native",
      },
      {
        client_id: "scanner",
        client_secret: "a secret of the provider's own",
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
      },
    ],
    scopes: ["openid", "groups"],
    claims: { openid: ["sub"], groups: ["groups"] },
    conformIdTokenClaims: false,
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, groups: groups[sub] ?? [] }) }),
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({
          scope: "artstore.read artstore.everything",
          audience: AUDIENCE,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "RS256" } },
        }),
      },
    },
  });
  server.on("request", provider.callback());
  console.log(issuer);
});
