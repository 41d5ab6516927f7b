# make build      compile everything
# make publish    programs as they are installed, in out/publish
# make deb        Debian packages in out/deb
# Each skips what has not changed since it last ran.

.PHONY: build publish deb clean

build:
	dotnet build LivepatchAgent.sln --nologo

publish:
	packaging/publish Daemon Cli Publisher Server

deb: publish
	packaging/build-deb agent
	packaging/build-deb server

clean:
	rm -rf out
