import Foundation
import Testing

@testable import TernaryCompute

@Suite("Cores that may be used")
struct UsableCoresTests {
    @Test(
        "an affinity mask counts its bits",
        arguments: [
            ("Cpus_allowed:\t3\n", 2), ("Name: x\nCpus_allowed:\tff,0000000f\nMems:\t1\n", 12),
            ("Cpus_allowed_list:\t0-1\nCpus_allowed:\t8\n", 1), ("Cpus_allowed:\t0\n", nil),
            ("", nil),
        ] as [(String, Int?)])
    func affinity(_ status: String, _ count: Int?) {
        #expect(UsableCores.affinity(status) == count)
    }

    @Test("the smallest quota of a control group and those it is in counts, rounded up")
    func quota() throws {
        let folder = try TemporaryFolder()
        let root = folder.path
        func write(_ path: String, _ text: String) throws {
            let url = URL(fileURLWithPath: root).appendingPathComponent(path)
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: url)
        }
        func quota(_ groups: String) -> Int? { UsableCores.quota(of: groups, root: root) }
        try write("a/cpu.max", "400000 100000\n")
        try write("a/b/cpu.max", "max 100000\n")
        try write("a/c/cpu.max", "150000 100000\n")
        try write("cpu/d/cpu.cfs_quota_us", "50000\n")
        try write("cpu/d/cpu.cfs_period_us", "100000\n")
        try write("cpu/e/cpu.cfs_quota_us", "-1\n")
        try write("cpu/e/cpu.cfs_period_us", "100000\n")
        #expect(quota("0::/a\n") == 4)
        #expect(quota("0::/a/b\n") == 4, "the group above has one")
        #expect(quota("0::/a/c\n") == 2)
        #expect(quota("0::/none\n") == nil)
        #expect(quota("4:cpu:/d\n") == 1)
        #expect(quota("4:cpu:/e\n") == nil)
        #expect(quota("4:memory:/d\n3:cpu:/d\n0::/a\n") == 1)
        #expect(quota("nonsense") == nil)
    }

    @Test("there is at least one, and no more than the machine has")
    func count() {
        #expect((1...ProcessInfo.processInfo.activeProcessorCount).contains(UsableCores.count))
    }
}
