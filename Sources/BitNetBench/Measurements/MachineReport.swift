internal import Foundation
internal import TernaryCompute

/// What is known about this machine and this build without measuring.
public enum MachineReport {
    /// Whether the library was compiled with optimisation; figures of a debug build mean nothing.
    public static var isOptimized: Bool {
        var isDebug = false
        assert(
            {
                isDebug = true
                return true
            }())
        return !isDebug
    }

    /// Cores this process may use.
    public static var cores: Int { UsableCores.count }

    /// The processor's name, as far as the system tells.
    public static var processor: String {
        let info = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
        for line in info.split(separator: "\n") where line.hasPrefix("model name") {
            return line.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) }
                ?? "unknown"
        }
        #if arch(arm64)
            return "arm64"
        #else
            return "unknown"
        #endif
    }

    /// How the system hands out 2 MB pages.
    public static var hugePages: String {
        let path = "/sys/kernel/mm/transparent_hugepage/enabled"
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            return "not known on this system"
        }
        guard let start = text.firstIndex(of: "["), let end = text.firstIndex(of: "]") else {
            return text.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        let mode = text[text.index(after: start)..<end]
        return mode == "never" ? "never (weights lie in 4 KB pages)" : "\(mode), used for weights"
    }
}
