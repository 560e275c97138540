internal import Foundation

/// The energy counters of a Linux machine's processors and memory (RAPL), in the files of its powercap
/// tree.
///
/// ```
/// /sys/class/powercap/intel-rapl:0/name                    package-0
///                                 /energy_uj               microjoules, wraps around
///                                 /max_energy_range_uj     where it does
///                    /intel-rapl:0:1/name                  dram
/// ```
///
/// AMD's processors have the same names. A package has its cores inside; `core`, `uncore` and `psys`
/// would count them twice.
struct Powercap: Sendable {
    /// Why there is no figure.
    struct Unavailable: Error {
        let reason: String
    }

    /// What a counter is of, and where.
    private struct Zone: Sendable {
        let name: String
        let folder: String
        let range: UInt64
    }

    private let zones: [Zone]

    /// Names of what is counted: `package-0, dram`.
    var names: String { zones.map(\.name).joined(separator: ", ") }

    /// The smallest range of a counter, in joules.
    var range: Double { Double(zones.map(\.range).min() ?? 0) * 1e-6 }

    /// Finds the counters below `root`, and reads each once.
    init(root: String) throws(Unavailable) {
        guard let entries = try? FileManager.default.contentsOfDirectory(atPath: root) else {
            throw Unavailable(
                reason: "\(root) does not exist: this system has no energy counters, as most "
                    + "virtual machines")
        }
        var zones: [Zone] = []
        for entry in entries.sorted() where entry.hasPrefix("intel-rapl:") {
            let folder = "\(root)/\(entry)"
            guard let name = Powercap.text(folder + "/name"),
                name.hasPrefix("package") || name == "dram"
            else { continue }
            let range = try Powercap.number(folder + "/max_energy_range_uj")
            guard range > 0 else {
                throw Unavailable(reason: "\(folder)/max_energy_range_uj is 0")
            }
            zones.append(Zone(name: name, folder: folder, range: range))
        }
        guard zones.contains(where: { $0.name.hasPrefix("package") }) else {
            throw Unavailable(reason: "\(root) has no counter of a processor (intel-rapl)")
        }
        self.zones = zones
        _ = try values()
    }

    /// What each counter says, in microjoules.
    func values() throws(Unavailable) -> [UInt64] {
        var values: [UInt64] = []
        for zone in zones { values.append(try Powercap.number(zone.folder + "/energy_uj")) }
        return values
    }

    /// Joules between two readings, between which no counter has wrapped around twice.
    func joules(from first: [UInt64], to last: [UInt64]) -> Double {
        zip(zones, zip(first, last)).reduce(0) { sum, counter in
            let (zone, (first, last)) = counter
            // It counts from 0 to its range; a reading beyond that is none of its own.
            let difference =
                last >= first ? last - first : zone.range - min(first, zone.range) + last
            return sum + Double(difference) * 1e-6
        }
    }

    private static func number(_ path: String) throws(Unavailable) -> UInt64 {
        guard FileManager.default.isReadableFile(atPath: path), let text = text(path) else {
            let isThere = FileManager.default.fileExists(atPath: path)
            throw Unavailable(
                reason: isThere
                    ? "\(path) may not be read without privileges" : "\(path) is missing")
        }
        guard let value = UInt64(text) else {
            throw Unavailable(reason: "\(path) has '\(text.prefix(40))', which is no number")
        }
        return value
    }

    private static func text(_ path: String) -> String? {
        (try? String(contentsOfFile: path, encoding: .utf8))?
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
