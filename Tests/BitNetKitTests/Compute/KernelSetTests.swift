import Testing

@testable import BitNetBench
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("KernelSet")
struct KernelSetTests {
    @Test("the best set comes first, scalar last, no name twice")
    func order() {
        let names = KernelSet.available.map(\.name)
        #expect(KernelSet.best == KernelSet.available[0])
        #expect(names.last == "scalar")
        #expect(Set(names).count == names.count)
        #expect(Set(names).isDisjoint(with: KernelSet.rejected.map(\.name)))
    }

    @Test("no set that this CPU has disagrees with scalar")
    func selfTests() {
        // A set is available only if its self-test has passed.
        let failed = KernelSet.rejected.filter { $0.reason.contains("disagrees") }
        #expect(failed.isEmpty, "\(failed)")
    }

    @Test("every available set is found by its name", arguments: KernelSet.available)
    func named(_ set: KernelSet) throws {
        #expect(try KernelSet.named(set.name) == set)
        #expect("\(set)" == set.name)
    }

    @Test("an unknown name is an error that lists the known ones", arguments: ["", "AVX2", "sse9"])
    func unknown(_ name: String) {
        let known = KernelSet.available.map(\.name).joined(separator: ", ")
        #expect(
            throws: BitNetError.kernelUnavailable(
                name: name, reason: "no such set is compiled in; available: \(known)")
        ) { try KernelSet.named(name) }
    }

    #if os(Linux) && arch(x86_64)
        @Test("every set of this kind of machine is there, or says why not")
        func complete() {
            let rejected = KernelSet.rejected.filter { !$0.reason.isEmpty }.map(\.name)
            let names = KernelSet.available.map(\.name) + rejected
            let known = ["amx", "avx512", "avx512-vnni", "avx-vnni", "avx2", "scalar"]
            #expect(names.sorted() == known.sorted())
            // A set stands above those that it borrows from.
            #expect(!KernelSet.available.contains { $0.name == "amx" } || names[0] == "amx")
        }
    #endif

    @Test("a rejected set is an error with the reason", arguments: KernelSet.rejected)
    func rejected(_ rejection: KernelSet.Rejection) throws {
        let error = #expect(throws: BitNetError.self) { try KernelSet.named(rejection.name) }
        #expect("\(try #require(error))".contains(rejection.reason))
    }
}
