/** Root keys and credentials, by the vectors of trust. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type AnyCredential,
  ConsumerEnrollmentCredential,
  EnrollmentCredential,
  TrustDomainError,
  consumerCredFromJson,
  consumerCredToJson,
  generateRootKeypair,
  signCredential,
  verifySignature,
} from "@aster/rpc";
import { hexOf, keyOf, madeOf, trust } from "./trust-support.js";

for (const entry of trust.credentials) {
  test(`credential ${entry.name}`, () => {
    const credential = madeOf(entry);
    assert.equal(hexOf(signCredential(credential, keyOf(entry.key).seed)), entry.signature);
    assert.equal(verifySignature(credential), true);
    assert.equal(verifySignature(credential, credential.rootPubkey), true);
    assert.equal(verifySignature(credential, keyOf("other_root").publicKey), false);
    credential.expiresAt += 1;
    assert.equal(verifySignature(credential), false);
    credential.expiresAt -= 1;
    if (credential instanceof EnrollmentCredential) {
      assert.throws(() => consumerCredFromJson(entry.credential_json), TrustDomainError);
      return;
    }
    assert.deepEqual(JSON.parse(consumerCredToJson(credential)), JSON.parse(entry.credential_json));
    assert.deepEqual(consumerCredFromJson(entry.credential_json), credential);
    assert.deepEqual(consumerCredFromJson(new TextEncoder().encode(consumerCredToJson(credential))), credential);
  });
}

test("root keys are made anew", () => {
  const { seed, publicKey } = generateRootKeypair();
  assert.deepEqual([seed.length, publicKey.length], [32, 32]);
  const credential = new EnrollmentCredential({ rootPubkey: publicKey, expiresAt: 5, endpointId: "a node" });
  credential.signature = signCredential(credential, seed);
  assert.equal(verifySignature(credential), true);
  assert.notDeepEqual(generateRootKeypair().seed, seed);
});

test("what is no credential is refused", () => {
  const { seed, publicKey } = generateRootKeypair();
  const of = (fields: object): AnyCredential =>
    new ConsumerEnrollmentCredential({
      credentialType: "policy",
      rootPubkey: publicKey,
      expiresAt: 5,
      ...fields,
    });
  const wrong: [object, typeof Error][] = [
    [{ attributes: { a: 1 } }, TypeError],
    [{ attributes: { a: "\ud800" } }, Error],
    [{ attributes: { "\udfff": "a" } }, Error],
    [{ endpointId: "\ud800" }, TypeError],
    [{ expiresAt: -1 }, RangeError],
    [{ expiresAt: 1.5 }, RangeError],
    [{ expiresAt: 2 ** 53 }, RangeError],
    [{ rootPubkey: publicKey.slice(1) }, Error],
    [{ credentialType: "producer" }, TypeError],
    [{ credentialType: "other" }, Error],
  ];
  for (const [fields, error] of wrong) {
    assert.throws(() => signCredential(of(fields), seed), error, JSON.stringify(fields));
    assert.equal(verifySignature(of(fields)), false);
  }
  assert.throws(() => signCredential(of({}), seed.slice(1)), /32 bytes/);
  assert.equal(verifySignature({} as AnyCredential), false);
  for (const text of ["", "[]", "{}", '{"credential_type":"policy","credential_type":"policy"}']) {
    assert.throws(() => consumerCredFromJson(text), TrustDomainError, text);
  }
});
