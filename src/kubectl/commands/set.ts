import { command } from '../command.ts';

export const set = command({
  name: 'set',
  usage: 'set SUBCOMMAND',
  summary: 'Set specific features on objects',
  commands: [
    {
      name: 'env',
      summary: 'Update environment variables on a pod template',
      load: async () => (await import('./set/env.ts')).setEnv,
    },
    {
      name: 'image',
      summary: 'Update the image of a pod template',
      load: async () => (await import('./set/image.ts')).setImage,
    },
    {
      name: 'resources',
      summary: 'Update resource requests/limits on objects with pod templates',
      load: async () => (await import('./set/others.ts')).setResources,
    },
    {
      name: 'selector',
      summary: 'Set the selector on a resource',
      load: async () => (await import('./set/others.ts')).setSelector,
    },
    {
      name: 'serviceaccount',
      aliases: ['sa'],
      summary: 'Update the service account of a resource',
      load: async () => (await import('./set/others.ts')).setServiceAccount,
    },
    {
      name: 'subject',
      summary: 'Update the user, group, or service account in a role binding or cluster role binding',
      load: async () => (await import('./set/others.ts')).setSubject,
    },
  ],
});
