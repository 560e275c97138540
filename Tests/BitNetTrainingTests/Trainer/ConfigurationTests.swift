import Foundation
import TestSupport
import Testing

@testable import BitNetTraining

@Suite("Configurations of a training")
struct ConfigurationTests {
    private typealias Length = TrainingConfiguration.Length

    private static let teacher = TrainingConfiguration.Distillation(teacher: "model")

    private func text(_ value: some Encodable) throws -> String {
        String(decoding: try JSONEncoder().encode(value), as: UTF8.self)
    }

    private func read<T: Decodable>(_ type: T.Type, _ json: String) throws -> T {
        try JSONDecoder().decode(type, from: Data(json.utf8))
    }

    @Test("Lengths have a form in JSON, and that of early checkpoints is read")
    func lengths() throws {
        for (length, form, early) in [
            (Length.steps(5), #"{"steps":5}"#, #"{"steps":{"_0":5}}"#),
            (.seconds(1.5), #"{"seconds":1.5}"#, #"{"seconds":{"_0":1.5}}"#),
        ] {
            #expect(try text(length) == form)
            #expect(try read(Length.self, form) == length)
            #expect(try read(Length.self, early) == length)
        }
        for bad in ["{}", #"{"steps":5,"seconds":1}"#, #"{"steps":"a"}"#, #"{"steps":{"a":1}}"#] {
            #expect(throws: DecodingError.self) { try read(Length.self, bad) }
        }
    }

    @Test("What is held out has a form in JSON")
    func heldOut() throws {
        for (value, form) in [
            (TrainingData.HeldOut.none, #""none""#), (.documents(4), #"{"documents":4}"#),
            (.share(0.5), #"{"share":0.5}"#),
        ] {
            #expect(try text(value) == form)
            #expect(try read(TrainingData.HeldOut.self, form) == value)
        }
        #expect(throws: DecodingError.self) { try read(TrainingData.HeldOut.self, #""all""#) }
    }

    /// Every number that the configuration has, those of members to come too.
    @Test("A number that cannot be used is named as in JSON")
    func names() throws {
        var configuration = TrainingConfiguration(distillation: Self.teacher)
        let lengths: [Length] = [.steps(5), .seconds(5)]
        var names: Set<String> = []
        for length in lengths {
            configuration.length = length
            let json = try #require(
                try JSONSerialization.jsonObject(with: JSONEncoder().encode(configuration))
                    as? [String: Any])
            for name in configuration.members.keys where name != "seed" {
                guard Double(configuration.members[name] ?? "") != nil else { continue }
                let path = name.split(separator: ".").map(String.init)
                let data = try JSONSerialization.data(withJSONObject: changed(json, path[...]))
                let bad = try JSONDecoder().decode(TrainingConfiguration.self, from: data)
                do throws(BitNetError) {
                    try bad.validate()
                    Issue.record("\(name) may be -1")
                } catch {
                    guard case .invalidArgument(name, _) = error else {
                        Issue.record("\(name): \(error)")
                        continue
                    }
                }
                names.insert(name)
            }
        }
        #expect(names.count >= 25 && names.contains("schedule.peakRate"))
    }

    /// `json` with -1 at `path`.
    private func changed(_ json: [String: Any], _ path: ArraySlice<String>) -> [String: Any] {
        guard let name = path.first else { return json }
        var json = json
        json[name] = (json[name] as? [String: Any]).map { changed($0, path.dropFirst()) } ?? -1
        return json
    }

    @Test("A training that has begun may change what later steps do, and nothing else")
    func changes() throws {
        var begun = TrainingConfiguration(shape: .tiny, length: .steps(10))
        begun.shape.vocabularySize = 700
        var new = begun
        new.shape.vocabularySize = 1024
        new.length = .steps(20)
        new.schedule.peakRate = 1e-4
        (new.clipNorm, new.beta1, new.beta2, new.epsilon) = (0.5, 0.8, 0.9, 1e-7)
        let used = try begun.changed(to: new)
        var expected = new
        expected.shape.vocabularySize = 700
        #expect(used == expected)

        for (name, change) in [
            ("shape.layerCount", { $0.shape.layerCount = 3 }),
            ("windowsPerStep", { $0.windowsPerStep = 8 }), ("seed", { $0.seed = 2 }),
            ("distillation.temperature", { $0.distillation = Self.teacher }),
        ] as [(String, (inout TrainingConfiguration) -> Void)] {
            var other = begun
            change(&other)
            do throws(BitNetError) {
                _ = try begun.changed(to: other)
                Issue.record("\(name) has changed")
            } catch {
                guard case .invalidArgument(name, _) = error else {
                    Issue.record("\(name): \(error)")
                    continue
                }
            }
        }
    }

    @Test("The teacher of a training that has begun may have moved, and is the same one")
    func teacher() throws {
        var begun = TrainingConfiguration(distillation: Self.teacher)
        begun.distillation?.fingerprint = "abc"
        var new = begun
        new.distillation = nil
        #expect(try begun.changed(to: new) == begun)
        new.distillation = .init(teacher: "elsewhere")
        let used = try begun.changed(to: new).distillation
        #expect(used?.teacher == "elsewhere" && used?.fingerprint == "abc")
        new.distillation?.weight = 0.25
        #expect(throws: BitNetError.self) { try begun.changed(to: new) }
    }
}
