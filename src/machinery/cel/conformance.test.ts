// The language's own conformance cases, as far as they speak of what the API server has.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tests as cases } from '@bufbuild/cel-spec/testdata/conformance.js';
import { compileCel, compileUnchecked } from './compile.ts';
import { baseLibraries, environment } from './environment.ts';
import { celEqual } from './equality.ts';
import { type Declarations, functionTable } from './functions.ts';
import { CelSyntaxError } from './syntax.ts';
import {
  boolType,
  bytesType,
  type CelType,
  doubleType,
  dynType,
  errorType,
  intType,
  listType,
  mapType,
  nullType,
  opaqueType,
  optionalType,
  paramType,
  parseType,
  stringType,
  typeText,
  typeType,
  uintType,
  wrapperType,
} from './types.ts';
import { CelError, MapValue, parseDuration, parseTimestamp, TypeValue, Uint, type Value } from './values.ts';

type Json = any;

/** Files, sections or cases that are left out, and why. */
const leftOut: [pattern: RegExp, reason: string][] = [
  [/^bindings_ext/, 'Kubernetes does not offer cel.bind'],
  [/^block_ext/, 'Kubernetes does not offer cel.block'],
  [/^math_ext/, 'Kubernetes does not offer the math library'],
  [/^encoders_ext/, 'Kubernetes does not offer the encoders'],
  [
    /^string_ext\/format\/(list support|map support|dyntype NaN|dyntype support for|.*scientific notation)/,
    'lists, maps and powers of ten are written as version 2 of the library writes them',
  ],
  [
    /^string_ext\/value_errors\/(last)?index_?of_out_of_range/i,
    'version 2 of the library finds nothing behind the end',
  ],
  [/^(proto2|proto3|proto2_ext|dynamic|enums|wrappers)\//, 'Kubernetes has no protobuf messages'],
];

/** A case that needs a protobuf message. */
const needsMessage = (original: Json): boolean =>
  /TestAllTypes|NestedTestAllTypes|google\.protobuf\.(Any|\w*Value|Struct|Timestamp|Duration)\b *\{|proto\.(get|has)Ext|GlobalEnum|protobuf\.\w+Value/.test(
    original.expr,
  ) || /"(objectValue|enumValue|messageType)"/.test(JSON.stringify({ ...original, expr: '' }));

function celValue(json: Json): Value {
  const [[kind, value]] = Object.entries<Json>(json) as [[string, Json]];
  switch (kind) {
    case 'nullValue':
      return null;
    case 'boolValue':
    case 'stringValue':
      return value;
    case 'int64Value':
      return BigInt(value);
    case 'uint64Value':
      return new Uint(BigInt(value));
    case 'doubleValue':
      return Number(value);
    case 'bytesValue':
      return Uint8Array.from(atob(value), (c) => c.charCodeAt(0));
    case 'listValue':
      return (value.values ?? []).map(celValue);
    case 'mapValue':
      return new MapValue(
        (value.entries ?? []).map(({ key, value: of }: Json) => [celValue(key), celValue(of)]),
      );
    case 'typeValue':
      return new TypeValue(value);
    case 'objectValue':
      if (value['@type'].endsWith('.Duration')) return parseDuration(value.value);
      return parseTimestamp(value.value);
    default:
      throw new Error(`no value of kind ${kind}`);
  }
}

const primitives: Record<string, CelType> = {
  BOOL: boolType,
  INT64: intType,
  UINT64: uintType,
  DOUBLE: doubleType,
  STRING: stringType,
  BYTES: bytesType,
};
function typeOf(json: Json): CelType {
  const [[kind, value]] = Object.entries<Json>(json) as [[string, Json]];
  switch (kind) {
    case 'primitive':
      return primitives[value]!;
    case 'wrapper':
      return wrapperType(primitives[value]!);
    case 'wellKnown':
      return parseType(value.toLowerCase());
    case 'listType':
      return listType(typeOf(value.elemType ?? { dyn: {} }));
    case 'mapType':
      return mapType(typeOf(value.keyType ?? { dyn: {} }), typeOf(value.valueType ?? { dyn: {} }));
    case 'null':
      return nullType;
    case 'type':
      return typeType(Object.keys(value).length ? typeOf(value) : undefined);
    case 'abstractType':
      return value.name === 'optional_type'
        ? optionalType(typeOf(value.parameterTypes[0]))
        : opaqueType(value.name, ...(value.parameterTypes ?? []).map(typeOf));
    case 'dyn':
      return dynType;
    case 'typeParam':
      return paramType(value);
    default:
      return errorType;
  }
}

/** Functions that a case declares, and does not call. */
function declared(declarations: Json[]): Declarations {
  const result: Declarations = {};
  for (const { name, function: declaration } of declarations)
    for (const { overloadId, params, resultType } of declaration?.overloads ?? []) {
      const texts = (params ?? []).map((param: Json) => signatureText(typeOf(param)));
      result[name] = {
        ...result[name],
        [overloadId]: [`(${texts.join(', ')}) -> ${signatureText(typeOf(resultType))}`],
      };
    }
  return result;
}
const signatureText = (type: CelType): string =>
  type.params.length ? `${type.name}(${type.params.map(signatureText).join(', ')})` : typeText(type);

function run(original: Json): void {
  const variables: Record<string, CelType> = {};
  for (const { name, ident } of original.typeEnv ?? []) if (ident) variables[name] = typeOf(ident.type);
  const within = environment(variables, {
    functions: functionTable(...baseLibraries, declared(original.typeEnv ?? [])),
    container: original.container ?? '',
    mixedLiterals: true,
    quotedNames: true,
  });
  const bindings: Record<string, Value> = {};
  for (const [name, { value }] of Object.entries<Json>(original.bindings ?? {}))
    bindings[name] = celValue(value);
  const wanted = original.typedResult;
  if (original.evalError) {
    assert.throws(
      () => compile(original, within).evaluate(bindings),
      (error) => error instanceof CelError || error instanceof CelSyntaxError,
    );
    return;
  }
  const program = compile(original, within);
  if (wanted?.deducedType) assert.equal(typeText(program.output!), typeText(typeOf(wanted.deducedType)));
  if (original.checkOnly) return;
  const result = program.evaluate(bindings, { left: 1e9 });
  const expected = celValue(wanted?.result ?? original.value ?? { boolValue: true });
  const isNaNs = typeof expected === 'number' && Number.isNaN(expected) && Number.isNaN(result);
  assert.ok(isNaNs || (typeof result === typeof expected && celEqual(result, expected)), String(result));
}

const compile = (original: Json, within: ReturnType<typeof environment>) =>
  (original.disableCheck ? compileUnchecked : compileCel)(original.expr, within);

interface Suite {
  name: string;
  suites?: Suite[];
  tests?: { original: Json }[];
}

for (const file of cases.suites as Suite[])
  test(`conformance: ${file.name}`, () => {
    const walk = (suite: Suite, path: string): void => {
      for (const inner of suite.suites ?? []) walk(inner, `${path}/${inner.name}`);
      for (const { original } of suite.tests ?? []) {
        const name = `${path}/${original.name}`;
        if (leftOut.some(([pattern]) => pattern.test(name)) || needsMessage(original)) continue;
        try {
          run(original);
        } catch (error) {
          assert.fail(`${name}: ${original.expr}\n${(error as Error).message}`);
        }
      }
    };
    walk(file, file.name);
  });
