@echo off
rem Starts Athanor on its training page, with the curves of trainings on a port of their own (6006 unless told otherwise).
"%~dp0webui.bat" serve --start-page training --tensorboard-port 6006 %*
