internal import Foundation

/// How many cores this process may keep busy.
///
/// Linux: those of its affinity mask, and no more than the time its control groups are given
/// (version 2 `cpu.max`, version 1 `cpu.cfs_quota_us`), rounded up. Elsewhere all active ones.
package enum UsableCores {
    package static let count: Int = {
        var count = ProcessInfo.processInfo.activeProcessorCount
        #if os(Linux)
            func text(_ path: String) -> String {
                (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
            }
            if let mask = affinity(text("/proc/self/status")) { count = min(count, mask) }
            if let quota = quota(of: text("/proc/self/cgroup"), root: "/sys/fs/cgroup") {
                count = min(count, quota)
            }
        #endif
        return max(1, count)
    }()

    /// Cores in the affinity mask that `/proc/self/status` shows in hexadecimal; nil without one.
    static func affinity(_ status: String) -> Int? {
        let name = "Cpus_allowed:"
        let line = status.utf8.split(separator: UInt8(ascii: "\n"))
            .first { $0.starts(with: name.utf8) }
        guard let line else { return nil }
        let digits = String(decoding: line.dropFirst(name.utf8.count), as: UTF8.self)
        let count = digits.reduce(0) { $0 + ($1.hexDigitValue?.nonzeroBitCount ?? 0) }
        return count > 0 ? count : nil
    }

    /// The smallest quota of the groups that `groups` names, as `/proc/self/cgroup` does, and of
    /// those they are in; nil where none has one.
    static func quota(of groups: String, root: String) -> Int? {
        var smallest: Int?
        for line in groups.utf8.split(separator: UInt8(ascii: "\n")) {
            let parts = line.split(
                separator: UInt8(ascii: ":"), maxSplits: 2, omittingEmptySubsequences: false
            ).map { String(decoding: $0, as: UTF8.self) }
            guard parts.count == 3 else { continue }
            let controllers = parts[1].split(separator: ",")
            guard controllers.isEmpty || controllers.contains("cpu") else { continue }
            let mount = controllers.isEmpty ? root : "\(root)/\(parts[1])"
            var names = parts[2].split(separator: "/")
            // In a container the path can be the host's; the mount is then the group itself.
            while true {
                let folder = ([mount] + names.map(String.init)).joined(separator: "/")
                if let found = quota(in: folder) { smallest = min(smallest ?? found, found) }
                if names.popLast() == nil { break }
            }
        }
        return smallest
    }

    private static func quota(in folder: String) -> Int? {
        func numbers(_ name: String) -> [Double?] {
            let text = try? String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
            return (text ?? "").split(whereSeparator: \.isWhitespace).map { Double($0) }
        }
        // "max 100000" without a limit, which is no number.
        var found = numbers("cpu.max")
        if found.isEmpty { found = numbers("cpu.cfs_quota_us") + numbers("cpu.cfs_period_us") }
        guard found.count == 2, let time = found[0], let period = found[1], time > 0, period > 0
        else { return nil }
        return Int(exactly: (time / period).rounded(.up)).map { max(1, $0) }
    }
}
