/// The version of this package, after semantic versioning; write `BitNetKit.version`.
///
/// What follows a hyphen is on the way to that version. `CONTRIBUTING.md` says what a version promises.
public let version = "0.1.0-dev"
