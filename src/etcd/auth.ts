import { code, EtcdError } from './etcd-error.ts';
import type { Write } from './messages.ts';

const refused = (message: string) => new EtcdError(code.failedPrecondition, message);

/**
 * The Auth service of an etcd whose authentication is not enabled, and cannot be: who may speak to it is decided by client
 * certificates. The answers are etcd's own of that state.
 */
export function authService(header: () => Write<'ResponseHeader'>) {
  return {
    async AuthEnable(): Promise<never> {
      throw refused('root user does not exist');
    },
    AuthDisable: async (): Promise<Write<'AuthDisableResponse'>> => ({ header: header() }),
    AuthStatus: async (): Promise<Write<'AuthStatusResponse'>> => ({
      ...{ header: header(), enabled: false, authRevision: 1 },
    }),
    async Authenticate(): Promise<never> {
      throw refused('authentication is not enabled');
    },
    async UserGet(): Promise<never> {
      throw refused('user name not found');
    },
    UserList: async (): Promise<Write<'AuthUserListResponse'>> => ({ header: header(), users: [] }),
    async RoleGet(): Promise<never> {
      throw refused('role name not found');
    },
    RoleList: async (): Promise<Write<'AuthRoleListResponse'>> => ({ header: header(), roles: [] }),
  };
}
