import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// What is done with an OpenBLAS of each kind. Where a library is loaded, or the environment is
/// changed, it happens in a process of its own.
@Suite("OpenBLAS")
struct OpenBLASTests {
    static let isInstalled = (try? FloatBaseline.openBLAS.get()) != nil
    static let canFake = FakeOpenBLAS.compiler != nil

    private static func reason(_ result: Result<OpenBLAS, BitNetError>) -> String? {
        if case .failure(.blasUnavailable(let reason)) = result { return reason }
        return nil
    }

    @Test("where there is none, the error says what to install, and products throw it")
    func none() throws {
        let result = OpenBLAS.load(names: ["libno-such-blas.so.0", "libno-such-blas.so"])
        let reason = try #require(Self.reason(result))
        #expect(reason.hasPrefix("there is no libno-such-blas.so.0, no libno-such-blas.so"))
        #expect(reason.contains("apt-get install libopenblas-dev"))
        #expect(reason.contains("brew install openblas"))
        for kind in [FloatBaseline.Kind.openBLASF16, .openBLASF32] {
            #expect(throws: BitNetError.blasUnavailable(reason: reason)) {
                try FloatBaseline(
                    kind, rows: 1, columns: 1, weights: [1], compute: .standard, openBLAS: result)
            }
        }
        let own = try FloatBaseline(
            .ownF16, rows: 1, columns: 1, weights: [1], compute: .standard, openBLAS: result)
        #expect(try own.multiply([3]) == [3])
        #expect(own.kernels == KernelSet.best.name)
        #expect(own.remark == nil)
    }

    @Test("a library that is something else is refused by the function it lacks")
    func otherLibrary() throws {
        #if canImport(Darwin)
            let name = "libm.dylib"
        #else
            let name = "libm.so.6"
        #endif
        let reason = try #require(Self.reason(OpenBLAS.load(names: ["libno-such.so", name])))
        #expect(reason.hasPrefix("\(name): it has no function openblas_get_config; "))
        #expect(reason.contains("libopenblas-dev"))
    }

    @Test("a file that is no library is refused with the system's reason")
    func noLibrary() throws {
        let url = FileManager.default.temporaryDirectory
            .appendingPathComponent("not-a-library-\(UUID().uuidString).so")
        try Data("no library".utf8).write(to: url)
        defer { try? FileManager.default.removeItem(at: url) }
        let reason = try #require(Self.reason(OpenBLAS.load(names: [url.path])))
        #expect(reason.contains(url.path))
        #expect(!reason.hasPrefix("there is no"))
    }

    @Test(
        "cores to ask for are known, and not wider than the CPU they are for",
        arguments: [.plain, .avx2, .avx512] as [OpenBLASWidth])
    func cores(_ width: OpenBLASWidth) throws {
        let widths = try width.cores.map { try #require(OpenBLASWidth(core: $0)) }
        #expect(widths == widths.sorted(by: >))
        #expect(widths.allSatisfy { $0 <= width && $0 > .plain })
        #expect(OpenBLASWidth(core: "CoreOfTomorrow") == nil)
    }

    // MARK: Its kernels

    @Test("its own choice is kept when it fits the CPU", .enabled(if: canFake))
    func ownChoice() async {
        await #expect(processExitsWith: .success) {
            defer { FakeOpenBLAS.removeAll() }
            unsetenv("OPENBLAS_CORETYPE")
            for core in ["Haswell", "SkylakeX", "CoreOfTomorrow"] {
                let path = try FakeOpenBLAS(own: core).build()
                let blas = try OpenBLAS.load(names: [path], width: .avx2).get()
                #expect(blas.core == core)
                #expect(blas.remark == nil)
                #expect(blas.version == "9.8.7")
                #expect(blas.description == "OpenBLAS 9.8.7, \(core) kernels")
            }
        }
    }

    @Test("kernels below the CPU are replaced by the widest it has", .enabled(if: canFake))
    func reloading() async {
        await #expect(processExitsWith: .success) {
            defer { FakeOpenBLAS.removeAll() }
            unsetenv("OPENBLAS_CORETYPE")
            let path = try FakeOpenBLAS(own: "Prescott").build()
            let before = ProcessInfo.processInfo.environment
            let wide = try OpenBLAS.load(names: [path], width: .avx512).get()
            #expect(wide.core == "SkylakeX")
            #expect(wide.remark == "not its own choice Prescott, below this CPU's AVX-512")
            let narrow = try OpenBLAS.load(
                names: [try FakeOpenBLAS(own: "Prescott").build()], width: .avx2
            ).get()
            #expect(narrow.core == "Haswell")
            #expect(narrow.remark == "not its own choice Prescott, below this CPU's AVX2")
            let old = try FakeOpenBLAS(own: "Prescott", cores: ["Haswell"]).build()
            let rest = try OpenBLAS.load(names: [old], width: .avx512).get()
            #expect(rest.core == "Haswell")
            #expect(rest.remark?.hasSuffix("AVX-512, still below its AVX-512") == true)
            #expect(ProcessInfo.processInfo.environment == before)
            #expect(getenv("OPENBLAS_CORETYPE") == nil)
        }
    }

    @Test("where it has no better kernels, that is said", .enabled(if: canFake))
    func noBetter() async {
        await #expect(processExitsWith: .success) {
            defer { FakeOpenBLAS.removeAll() }
            setenv("OPENBLAS_CORETYPE", "", 1)
            let path = try FakeOpenBLAS(own: "Prescott", cores: ["Prescott"]).build()
            let blas = try OpenBLAS.load(names: [path], width: .avx2).get()
            #expect(blas.core == "Prescott")
            #expect(blas.remark == "below this CPU's AVX2")
            #expect(getenv("OPENBLAS_CORETYPE").map { String(cString: $0) } == "")
        }
    }

    @Test("what the environment asks for is respected, and said", .enabled(if: canFake))
    func environment() async {
        await #expect(processExitsWith: .success) {
            defer { FakeOpenBLAS.removeAll() }
            setenv("OPENBLAS_CORETYPE", "Prescott", 1)
            let blas = try OpenBLAS.load(names: [FakeOpenBLAS().build()], width: .avx2).get()
            #expect(blas.core == "Prescott")
            #expect(blas.remark == "as OPENBLAS_CORETYPE says, below this CPU's AVX2")
            setenv("OPENBLAS_CORETYPE", "Haswell", 1)
            let other = try OpenBLAS.load(names: [FakeOpenBLAS().build()], width: .avx2).get()
            #expect(other.core == "Haswell")
            #expect(other.remark == "as OPENBLAS_CORETYPE says")
            #expect(getenv("OPENBLAS_CORETYPE").map { String(cString: $0) } == "Haswell")
        }
    }

    @Test("what the process has loaded before keeps its kernels", .enabled(if: canFake))
    func loadedBefore() async {
        await #expect(processExitsWith: .success) {
            defer { FakeOpenBLAS.removeAll() }
            unsetenv("OPENBLAS_CORETYPE")
            let path = try FakeOpenBLAS(own: "Prescott").build()
            let handle = dlopen(path, RTLD_NOW)
            #expect(handle != nil)
            let blas = try OpenBLAS.load(names: [path], width: .avx2).get()
            #expect(blas.core == "Prescott")
            #expect(blas.remark == "loaded before, below this CPU's AVX2")
        }
    }

    @Test("kernels that compute wrong products are not used", .enabled(if: canFake))
    func wrongProducts() async {
        await #expect(processExitsWith: .success) {
            defer { FakeOpenBLAS.removeAll() }
            unsetenv("OPENBLAS_CORETYPE")
            let some = try FakeOpenBLAS(own: "SkylakeX", wrong: ["SkylakeX"]).build()
            let blas = try OpenBLAS.load(names: [some], width: .avx512).get()
            #expect(blas.core == "Haswell")
            #expect(
                blas.remark?.hasPrefix("not its own choice SkylakeX, wrong on this CPU") == true)
            let wide = try FakeOpenBLAS(own: "Prescott", wrong: ["SkylakeX"]).build()
            #expect(try OpenBLAS.load(names: [wide], width: .avx512).get().core == "Haswell")
            let all = try FakeOpenBLAS(wrong: ["Prescott", "Haswell", "SkylakeX"]).build()
            let reason = Self.reason(OpenBLAS.load(names: [all], width: .avx512))
            #expect(reason?.hasPrefix("\(all): its Haswell kernels compute wrong products") == true)
            setenv("OPENBLAS_CORETYPE", "SkylakeX", 1)
            let asked = try FakeOpenBLAS(wrong: ["SkylakeX"]).build()
            let forced = Self.reason(OpenBLAS.load(names: [asked], width: .avx512))
            #expect(forced?.contains("its SkylakeX kernels compute wrong products") == true)
        }
    }

    // MARK: Its threads

    @Test(
        "it computes with one thread for each of ours, whatever it was set to",
        .enabled(if: canFake))
    func threads() async {
        await #expect(processExitsWith: .success) {
            defer { FakeOpenBLAS.removeAll() }
            let path = try FakeOpenBLAS().build()
            let blas = try OpenBLAS.load(names: [path]).get()
            let baseline = try FloatBaseline(
                .openBLASF32, rows: 2, columns: 2, weights: [1, 2, 3, 4], compute: .standard,
                openBLAS: .success(blas))
            try OpenBLASLibrary(path, core: nil).setThreads(2)
            #expect(blas.threads == 2)
            #expect(try baseline.multiply([1, 1]) == [3, 7])
            #expect(blas.threads == 1)
        }
    }

    @Test("one whose threads cannot be those of a comparison is refused", .enabled(if: canFake))
    func refusedBuilds() async {
        await #expect(processExitsWith: .success) {
            defer { FakeOpenBLAS.removeAll() }
            let single = try FakeOpenBLAS(parallel: 0).build()
            #expect(
                Self.reason(OpenBLAS.load(names: [single]))?.contains("without threads") == true)
            let wide = try FakeOpenBLAS(configuration: "OpenBLAS 9.8.7 USE64BITINT").build()
            #expect(Self.reason(OpenBLAS.load(names: [wide]))?.contains("64 bits") == true)
            let keeps = try OpenBLAS.load(names: [FakeOpenBLAS(keepsThreads: true).build()])
            let baseline = try FloatBaseline(
                .openBLASF32, rows: 1, columns: 1, weights: [1], compute: .standard,
                openBLAS: keeps)
            #expect(throws: BitNetError.self) { try baseline.multiply([1]) }
        }
    }

    // MARK: The one of this machine

    @Test(
        "it is loaded when it is asked for and not before",
        .enabled(if: isInstalled && FileManager.default.fileExists(atPath: "/proc/self/maps")))
    func lazily() async {
        await #expect(processExitsWith: .success) {
            func isMapped() throws -> Bool {
                try String(contentsOfFile: "/proc/self/maps", encoding: .utf8).contains(
                    "/libopenblas")
            }
            let own = try FloatBaseline(.ownF16, rows: 1, columns: 1, weights: [1])
            #expect(try own.multiply([3]) == [3])
            #expect(try !isMapped())
            let environment = ProcessInfo.processInfo.environment
            _ = try FloatBaseline.openBLAS.get()
            #expect(try isMapped())
            #expect(ProcessInfo.processInfo.environment == environment)
        }
    }

    @Test(
        "Prescott kernels on a CPU with AVX2 are replaced, and the new ones compute",
        .enabled(
            if: isInstalled && OpenBLASWidth.ofThisCPU > .plain
                && (try? FloatBaseline.openBLAS.get().configuration.contains("DYNAMIC_ARCH"))
                    == true
        ))
    func reloadingInEarnest() async {
        await #expect(processExitsWith: .success) {
            unsetenv("OPENBLAS_CORETYPE")
            let environment = ProcessInfo.processInfo.environment
            let blas = try OpenBLAS.load(ownChoice: "Prescott").get()
            #expect(OpenBLASWidth.ofThisCPU.cores.contains(blas.core))
            #expect(blas.remark?.hasPrefix("not its own choice Prescott") == true)
            #expect(ProcessInfo.processInfo.environment == environment)
            let weights = randomFloats(50 * 70, seed: 1)
            let baseline = try FloatBaseline(
                .openBLASF32, rows: 50, columns: 70, weights: weights, compute: .standard,
                openBLAS: .success(blas))
            #expect(baseline.kernels == blas.core)
            #expect(baseline.remark == blas.remark)
            let x = randomFloats(70, seed: 2)
            for (row, value) in try baseline.multiply(x).enumerated() {
                let exact = (0..<70).reduce(0.0) {
                    $0 + Double(weights[row * 70 + $1]) * Double(x[$1])
                }
                #expect(abs(Double(value) - exact) < 1e-4)
            }
        }
    }
}
