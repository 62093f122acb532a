/** Wherry's own version; the API's is in apiserver/http/version.ts. */
export const version = '0.1.0';
