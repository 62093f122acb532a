/**
 * What a cluster's DNS does unless told: names of the cluster, and everything else from the machine's resolvers. `more`:
 * lines of the server block besides.
 */
export const defaultCorefile = (clusterDomain: string, more: readonly string[] = []): string => `.:53 {
    errors
${more.map((line) => `    ${line}\n`).join('')}    kubernetes ${clusterDomain} in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 5
    }
    forward . /etc/resolv.conf {
        max_concurrent 1000
    }
    cache 30 {
        disable success ${clusterDomain}
        disable denial ${clusterDomain}
    }
    loop
    reload
    loadbalance
}
`;
