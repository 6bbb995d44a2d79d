import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'

/**
 * Whether an IP address is somebody else's on the public internet: global unicast by the registries of special addresses
 * (RFC 6890 and its successors) and none that this machine has itself.
 */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address)
  // A zone (fe80::1%eth0) means a network this machine is on.
  if (family === 0 || address.includes('%')) return false
  if (family === 4) return !special.check(address, 'ipv4') && !isOwn(address)
  return unicast.check(address, 'ipv6') && !special.check(address, 'ipv6') && !isOwn(address)
}

function isOwn(address: string): boolean {
  return Object.values(networkInterfaces()).some((each) => each?.some((own) => own.address === address))
}

/** All that IPv6 has given out for the public; what is mapped, translated, local or multicast lies outside. */
const unicast = new BlockList()
unicast.addSubnet('2000::', 3, 'ipv6')

const special = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  // An address of a cloud's own services that looks like any other.
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  special.addSubnet(network, prefix, 'ipv4')
}
for (const [network, prefix] of [
  // Protocols, Teredo among them, and 6to4: both carry an IPv4 address inside.
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  special.addSubnet(network, prefix, 'ipv6')
}
