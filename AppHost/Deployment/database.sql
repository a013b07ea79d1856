\set ON_ERROR_STOP on
\getenv password %NAME%_PASSWORD
SELECT format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', '%name%') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '%name%') \gexec
SELECT format('ALTER ROLE %I PASSWORD %L', '%name%', :'password') \gexec
GRANT "%name%" TO CURRENT_USER;
SELECT format('CREATE DATABASE %I OWNER %I', '%name%', '%name%') WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '%name%') \gexec
REVOKE ALL ON DATABASE "%name%" FROM PUBLIC;
\connect %name%
CREATE EXTENSION IF NOT EXISTS pg_trgm;
\connect postgres
