//! Which network addresses are the public internet. Everything else (this machine, its networks, its cloud's metadata service) is refused to a function
//! unless a capability names the address literally.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Written out rather than taken from the standard library, whose `is_global` is not stable.
/// Source: IANA's special-purpose address registries, and multicast.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    const NOT_PUBLIC: [(Ipv4Addr, u32); 16] = [
        (Ipv4Addr::new(0, 0, 0, 0), 8),
        (Ipv4Addr::new(10, 0, 0, 0), 8),
        // Carrier-grade NAT; some clouds put their metadata service here.
        (Ipv4Addr::new(100, 64, 0, 0), 10),
        (Ipv4Addr::new(127, 0, 0, 0), 8),
        // Link-local: most clouds' metadata service.
        (Ipv4Addr::new(169, 254, 0, 0), 16),
        (Ipv4Addr::new(172, 16, 0, 0), 12),
        (Ipv4Addr::new(192, 0, 0, 0), 24),
        (Ipv4Addr::new(192, 0, 2, 0), 24),
        (Ipv4Addr::new(192, 88, 99, 0), 24),
        (Ipv4Addr::new(192, 168, 0, 0), 16),
        (Ipv4Addr::new(198, 18, 0, 0), 15),
        (Ipv4Addr::new(198, 51, 100, 0), 24),
        (Ipv4Addr::new(203, 0, 113, 0), 24),
        // A public address of one cloud's virtual machines that reaches their host.
        (Ipv4Addr::new(168, 63, 129, 16), 32),
        (Ipv4Addr::new(224, 0, 0, 0), 4),
        (Ipv4Addr::new(240, 0, 0, 0), 4),
    ];
    let bits = address.to_bits();
    NOT_PUBLIC
        .iter()
        .all(|(network, length)| (bits ^ network.to_bits()).leading_zeros() < *length)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = address.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    let [first, second, third, fourth, fifth, sixth, seventh, eighth] = address.segments();
    let _ = (fourth, fifth, sixth);
    if (first, second) == (0x64, 0xff9b) {
        // NAT64 reaches the IPv4 address in the last 32 bits; its local-use form anything.
        let [a, b] = seventh.to_be_bytes();
        let [c, d] = eighth.to_be_bytes();
        return (third, fourth, fifth, sixth) == (0, 0, 0, 0) && is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    let unicast = first & 0xe000 == 0x2000;
    // 2001::/23 holds tunnels and test networks, 2002::/16 tunnels to an IPv4 address.
    let tunnel = (first == 0x2001 && second < 0x200) || first == 0x2002;
    let documentation = (first == 0x2001 && second == 0xdb8) || (first == 0x3fff && second < 0x1000);
    unicast && !tunnel && !documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_and_the_edges_of_all_others() {
        let public = "1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 \
            192.0.1.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 2606:4700::1111 2001:200:: 2001:4860:4860::8888 ::ffff:8.8.8.8 64:ff9b::808:808";
        for address in public.split_whitespace() {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        let others = "0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.1 127.255.255.255 169.254.169.254 172.16.0.0 172.31.255.255 \
            192.0.0.1 192.0.2.1 192.168.0.0 192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.9 168.63.129.16 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 \
            :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.1.2.3 64:ff9b::a00:1 64:ff9b:1::808:808 64:ff9b::1:0:0:1 100::1 2001::1 2001:10::1 2001:db8::1 2002:7f00:1::1 3fff::1 \
            fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 4000::1";
        for address in others.split_whitespace() {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }
}
