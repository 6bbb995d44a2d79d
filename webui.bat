@echo off
rem Installs what is missing, builds when stale, and runs Athanor.
where node >nul 2>nul
if errorlevel 1 (
  echo Athanor needs Node 20.15 or newer: https://nodejs.org 1>&2
  exit /b 1
)
node "%~dp0scripts\launch.mjs" %*
